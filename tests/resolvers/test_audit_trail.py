from typing import get_args

import pytest

from datastore.database import Database
from datastore.schema_audit import AuditKind
from resolvers import audit_trail
from resolvers.services import Services
from tests.commands import Commands
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.key_ring import REVOKE, make_key
from tests.resolvers.shop import problems
from tests.resolvers.signing import SIGN_IN, credentials, last_code
from tests.resolvers.teams import REMOVE, join, member_id
from tests.resolvers.test_password_changes import REQUEST, RESET, new_password

TRAIL = """
query ($first: Int! = 20, $after: String, $event: AuditKind, $userId: ID) {
  auditEvents(first: $first, after: $after, event: $event, userId: $userId) {
    nodes { event userId subjectId address detail user { name } } pageInfo { endCursor hasNextPage }
  }
}
"""


async def events(api: Api, owner: Person, **arguments: object) -> list[str]:
    """What was done, the newest first."""
    found = (await api.data(TRAIL, arguments, caller=owner))["auditEvents"]["nodes"]
    return [node["event"] for node in found if not node["event"].startswith("SIGN")]


async def test_owners_read_who_did_what_the_newest_first(api: Api, owner: Person) -> None:
    key = (await make_key(api, owner))["apiKey"]
    await api.data(REVOKE, {"id": key["id"]}, caller=owner)
    found = (await api.data(TRAIL, {"event": "API_KEY_REVOKED"}, caller=owner))["auditEvents"]["nodes"]
    assert found == [
        {
            "event": "API_KEY_REVOKED",
            "userId": owner.user_id,
            "subjectId": key["id"],
            "address": "",
            "detail": "Till 1",
            "user": {"name": "Ada Lovelace"},
        }
    ]
    assert await events(api, owner) == ["API_KEY_REVOKED", "API_KEY_CREATED"]


async def test_the_trail_is_narrowed_by_event_and_by_user(api: Api, owner: Person, stranger: Person) -> None:
    await make_key(api, owner)
    await make_key(api, owner)
    assert await events(api, owner, event="API_KEY_CREATED") == ["API_KEY_CREATED"] * 2
    assert await events(api, owner, event="SETTINGS_CHANGED") == []
    assert await events(api, owner, userId=owner.user_id) == ["API_KEY_CREATED"] * 2
    assert await events(api, owner, userId=stranger.user_id) == []
    assert await events(api, owner, event="API_KEY_CREATED", userId=owner.user_id) == ["API_KEY_CREATED"] * 2
    assert await events(api, stranger) == []
    assert problems(await api.execute(TRAIL, {"userId": "prd_1"}, caller=owner)) == ["userId"]


@pytest.mark.parametrize("role", ["MANAGER", "STAFF"])
async def test_who_is_no_owner_does_not_read_the_trail(api: Api, owner: Person, role: str, database: Database) -> None:
    await database.command({"update": "sessions", "updates": [{"q": {"user_id": owner.user_id}, "u": {"$set": {"role": role}}}]})
    assert await api.code(TRAIL, caller=owner) == "FORBIDDEN"


async def test_who_has_left_a_business_leaves_nothing_more_in_its_trail(
    api: Api, owner: Person, services: Services, commands: Commands, database: Database
) -> None:
    """Also where it is the one that they signed up with; and the server works no more and no less for it than for anybody."""
    heir = await join(api, owner, "OWNER")
    await api.data(REMOVE, {"id": await member_id(api, heir, owner)}, caller=heir)
    before = (await contents(database))["audit_events"]
    costs = []
    for email in (owner.email, "nobody@example.org"):
        with commands.counting() as cost:
            assert await api.code(SIGN_IN, credentials(email, "wrong horse")) == "UNAUTHENTICATED"
            await api.data(REQUEST, {"email": email})
        costs.append(cost)
    assert costs[0] == costs[1]
    await api.data(RESET, new_password(owner.email, await last_code(services, "password_reset")))
    added = (await contents(database))["audit_events"][len(before) :]
    assert len(added) == 5
    assert heir.account_id not in {row["account_id"] for row in added}


def test_every_kind_that_is_stored_can_be_shown_and_asked_for() -> None:
    assert [kind.name for kind in audit_trail.AuditKind] == list(get_args(AuditKind))
