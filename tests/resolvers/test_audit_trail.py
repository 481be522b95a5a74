from typing import get_args

import pytest

from datastore.database import Database
from datastore.schema_audit import AuditKind
from resolvers import audit_trail
from tests.gql.api import Api, Person
from tests.resolvers.key_ring import REVOKE, make_key
from tests.resolvers.shop import problems

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


def test_every_kind_that_is_stored_can_be_shown_and_asked_for() -> None:
    assert [kind.name for kind in audit_trail.AuditKind] == list(get_args(AuditKind))
