"""Who shares a business."""

from tests.live.cases import Stall, case
from tests.live.cases_sales import rename_oneself
from tests.resolvers.teams import CHANGE_ROLE, REVOKE, accept, code_for, invite, join, member_id

MEMBERS = "{ nodes { name email role } pageInfo { hasNextPage } }"
INVITATIONS = "{ nodes { email status expiresAt } pageInfo { hasNextPage } }"
MEMBERSHIPS = "memberships { accountId businessName role current }"


async def hire(stall: Stall) -> None:
    clerk = await join(stall.api, stall.owner, "STAFF")
    stall.ids["Clerk"] = await member_id(stall.api, stall.owner, clerk)


async def promote_the_clerk(stall: Stall) -> None:
    await stall.do(CHANGE_ROLE, id=stall.ids["Clerk"], role="MANAGER")


async def invite_somebody(stall: Stall) -> None:
    stall.ids["Invited"] = (await invite(stall.api, stall.owner, "grace@example.org"))["id"]


async def revoke_it(stall: Stall) -> None:
    await stall.do(REVOKE, id=stall.ids["Invited"])


async def join_another_business(stall: Stall) -> None:
    other = await stall.api.sign_up(name="Charles Babbage")
    await invite(stall.api, other, stall.owner.email)
    await accept(stall.api, stall.owner, await code_for(stall.api, stall.owner.email))


async def rename_the_business(stall: Stall) -> None:
    await stall.do('mutation { updateSettings(input: {businessName: "Analytical Engines"}) { id } }')


CASES = [
    case("Query.members", f"members {MEMBERS}", hire),
    case("Query.members", f"members(first: 1) {MEMBERS}", hire),
    case("Query.members", f"members {MEMBERS}", promote_the_clerk, hire),
    case("Query.invitations", f"invitations {INVITATIONS}", revoke_it, invite_somebody),
    case("Query.invitations", f"invitations(status: PENDING) {INVITATIONS}", invite_somebody),
    case("Query.invitations Invitation.invitedBy", "invitations { nodes { invitedBy { name } } }", rename_oneself, invite_somebody),
    case("Query.memberships", MEMBERSHIPS, join_another_business),
    case("Query.memberships", MEMBERSHIPS, rename_the_business),
]
