"""API keys."""

from tests.live.cases import Stall, case
from tests.live.cases_sales import rename_oneself
from tests.resolvers.key_ring import REVOKE, make_key

KEYS = "{ nodes { name lastUsedAt revokedAt } pageInfo { hasNextPage } }"


async def make_two_keys(stall: Stall) -> None:
    for name in ("First", "Second"):
        stall.ids[name] = (await make_key(stall.api, stall.owner, name=name))["apiKey"]["id"]


async def make_a_key(stall: Stall) -> None:
    await make_key(stall.api, stall.owner, name="Third")


async def revoke_the_second(stall: Stall) -> None:
    await stall.do(REVOKE, id=stall.ids["Second"])


async def use_the_first_bare(stall: Stall) -> None:
    await stall.driver.api_keys.update_one({"_id": stall.ids["First"]}, [{"$set": {"last_used_at": "$created_at"}}])


CASES = [
    case("Query.apiKeys", f"apiKeys {KEYS}", make_a_key),
    case("Query.apiKeys", f"apiKeys(first: 1) {KEYS}", make_a_key, make_two_keys),
    case("Query.apiKeys", f"apiKeys(first: 1) {KEYS}", revoke_the_second, make_two_keys),
    case("Query.apiKeys", f"apiKeys {KEYS}", use_the_first_bare, make_two_keys),
    case("Query.apiKeys ApiKey.createdBy", "apiKeys { nodes { createdBy { name } } }", rename_oneself, make_two_keys),
]
