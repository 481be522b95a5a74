"""People's own accounts: their sessions."""

from tests.live.cases import Stall, case
from tests.resolvers.signing import REFRESH, another_session

SESSIONS = "{ nodes { id current lastUsedAt } pageInfo { hasNextPage } }"


async def sign_in_elsewhere(stall: Stall) -> None:
    stall.ids["elsewhere"] = (await another_session(stall.api, stall.owner)).refresh_token


async def refresh_elsewhere(stall: Stall) -> None:
    await stall.do(REFRESH, token=stall.ids["elsewhere"])


async def sign_out_elsewhere(stall: Stall) -> None:
    await stall.do("mutation { signOutEverywhere(keepCurrent: true) }")


CASES = [
    case("Query.sessions ActiveSession.current", f"sessions {SESSIONS}", sign_in_elsewhere),
    case("Query.sessions", f"sessions(first: 1) {SESSIONS}", sign_out_elsewhere, sign_in_elsewhere),
    case("Query.sessions", f"sessions {SESSIONS}", refresh_elsewhere, sign_in_elsewhere),
]
