"""Webhook endpoints as people deal with them."""

import asyncio
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from datastore.database import Database
from resolvers import webhook_endpoints
from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.resolvers.conftest import contents
from tests.resolvers.hooks import CREATE, DELETE, DELIVERIES, LIST, ROTATE, TEST, UPDATE, make_endpoint, open_to_all
from tests.resolvers.shop import problems

URL = "https://hooks.example.org/till"


async def test_an_endpoint_shows_its_secret_once_and_keeps_it_sealed(api: Api, owner: Person, database: Database) -> None:
    made = await make_endpoint(api, owner, URL, "sale.created", "product.*", "sale.created")
    secret = made.pop("secret")
    assert Webhook(secret).sign("id", datetime.now(UTC), "{}").startswith("v1,")
    assert made | {"id": ""} == {
        "id": "",
        "url": URL,
        "description": "",
        "events": ["product.*", "sale.created"],
        "enabled": True,
        "disabledAt": None,
        "disabledReason": None,
        "failingSince": None,
        "oldSecretUntil": None,
        "createdBy": {"name": "Ada Lovelace"},
    }
    assert (await api.data(LIST, caller=owner))["webhookEndpoints"]["nodes"] == [made]
    stored = str(await contents(database))
    assert secret not in stored
    assert secret.removeprefix("whsec_") not in stored


async def test_an_endpoint_is_changed_where_something_is_said(api: Api, owner: Person) -> None:
    made = await make_endpoint(api, owner, URL, "sale.*")
    del made["secret"]
    wanted = {"id": made["id"], "url": "https://other.example/", "events": [], "description": "Books"}
    changed = (await api.data(UPDATE, {"input": wanted}, caller=owner))["updateWebhookEndpoint"]
    assert changed == made | wanted
    off = (await api.data(UPDATE, {"input": {"id": made["id"], "enabled": False}}, caller=owner))["updateWebhookEndpoint"]
    assert off == changed | {"enabled": False, "disabledAt": off["disabledAt"]}
    assert off["disabledAt"] is not None
    again = await api.data(UPDATE, {"input": {"id": made["id"], "enabled": True}}, caller=owner)
    assert again["updateWebhookEndpoint"] == changed
    same = await api.data(UPDATE, {"input": {"id": made["id"], "enabled": True}}, caller=owner)
    assert same == again
    [gap] = (await api.data(DELIVERIES, {"id": made["id"]}, caller=owner))["webhookDeliveries"]["nodes"]
    assert (gap["event"], gap["status"]) == ("feed.gap", "SCHEDULED")


async def test_a_rotated_secret_leaves_the_old_one_good_for_a_day(api: Api, owner: Person, database: Database) -> None:
    made = await make_endpoint(api, owner, URL)
    rotated = (await api.data(ROTATE, {"id": made["id"]}, caller=owner))["rotateWebhookSecret"]
    assert rotated["secret"] != made["secret"]
    assert rotated["endpoint"]["oldSecretUntil"] is not None
    assert rotated["secret"] not in str(await contents(database))


async def test_a_deleted_endpoint_is_gone_from_every_list(api: Api, owner: Person) -> None:
    made = await make_endpoint(api, owner, URL)
    await api.data(TEST, {"id": made["id"]}, caller=owner)
    await api.data(DELETE, {"id": made["id"]}, caller=owner)
    assert (await api.data(LIST, caller=owner))["webhookEndpoints"]["nodes"] == []
    for document, variables in ((DELETE, {"id": made["id"]}), (TEST, {"id": made["id"]}), (DELIVERIES, {"id": made["id"]})):
        assert await api.code(document, variables, caller=owner) == "NOT_FOUND"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"url": "http://example.org/"}, "input.url"),
        ({"url": "https://127.0.0.1/"}, "input.url"),
        ({"url": "https://[fd00::1]/"}, "input.url"),
        ({"url": "https://user:word@example.org/"}, "input.url"),
        ({"url": "x" * 100_000}, "input.url"),
        ({"url": "\ud800"}, "input.url"),
        ({"url": 7}, "input.url"),
        ({"url": None}, "input.url"),
        ({"events": ["users.created"]}, "input.events"),
        ({"events": ["sale.*"] * 101}, "input.events"),
        ({"events": [None]}, "input.events.0"),
        ({"description": "x" * 201}, "input.description"),
        ({"description": "a\u0000"}, "input.description"),
    ],
)
async def test_a_malformed_endpoint_is_refused_by_name(api: Api, owner: Person, wrong: dict[str, object], path: str) -> None:
    assert problems(await api.execute(CREATE, {"input": {"url": URL} | wrong}, caller=owner)) == [path]
    made = await make_endpoint(api, owner, URL)
    assert problems(await api.execute(UPDATE, {"input": {"id": made["id"]} | wrong}, caller=owner)) == [path]


async def test_our_own_network_can_be_told_where_the_settings_say_so(services: Services, database: Database) -> None:
    api, _ = open_to_all(services)
    owner = await api.sign_up()
    assert (await make_endpoint(api, owner, "http://localhost:8123/x"))["url"] == "http://localhost:8123/x"


async def test_only_the_business_itself_deals_with_its_endpoints(api: Api, owner: Person, stranger: Person) -> None:
    made = await make_endpoint(api, owner, URL)
    assert (await api.data(LIST, caller=stranger))["webhookEndpoints"]["nodes"] == []
    for document in (DELETE, ROTATE, TEST, DELIVERIES):
        assert await api.code(document, {"id": made["id"]}, caller=stranger) == "NOT_FOUND"
        assert await api.code(document, {"id": owner.user_id}, caller=owner) == "INVALID_INPUT"
        assert await api.code(document, {"id": made["id"]}) == "UNAUTHENTICATED"
    assert await api.code(UPDATE, {"input": {"id": made["id"], "url": URL}}, caller=stranger) == "NOT_FOUND"


async def test_staff_do_not_deal_with_webhooks_and_managers_do(api: Api, owner: Person, database: Database) -> None:
    made = await make_endpoint(api, owner, URL)
    delivery = (await api.data(TEST, {"id": made["id"]}, caller=owner))["sendTestWebhook"]
    node = "query ($id: ID!) { node(id: $id) { id } }"

    async def become(role: str) -> None:
        update = {"q": {"user_id": owner.user_id}, "u": {"$set": {"role": role}}}
        await database.command({"update": "sessions", "updates": [update]})

    await become("STAFF")
    for document in (DELETE, ROTATE, TEST, DELIVERIES, LIST):
        assert await api.code(document, {"id": made["id"]} if "$id" in document else None, caller=owner) == "FORBIDDEN"
    assert await api.code(CREATE, {"input": {"url": URL}}, caller=owner) == "FORBIDDEN"
    assert await api.code(UPDATE, {"input": {"id": made["id"]}}, caller=owner) == "FORBIDDEN"
    for id in (made["id"], delivery["id"]):
        assert (await api.data(node, {"id": id}, caller=owner))["node"] is None
    await become("MANAGER")
    for id in (made["id"], delivery["id"]):
        assert (await api.data(node, {"id": id}, caller=owner))["node"] == {"id": id}
    await make_endpoint(api, owner, URL)


async def test_a_business_has_so_many_endpoints_and_no_more_also_when_two_are_made_at_once(
    api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_endpoints, "MOST_ENDPOINTS", 3)
    await make_endpoint(api, owner, URL)
    first = await make_endpoint(api, owner, URL)
    wanted = {"input": {"url": URL}}
    answers = await asyncio.gather(*(api.execute(CREATE, wanted, caller=owner) for _ in range(3)))
    codes = sorted(answer["errors"][0]["extensions"]["code"] if "errors" in answer else "" for answer in answers)
    assert codes == ["", "CONFLICT", "CONFLICT"]
    await api.data(DELETE, {"id": first["id"]}, caller=owner)
    await make_endpoint(api, owner, URL)


async def test_what_is_done_to_endpoints_is_in_the_trail(api: Api, owner: Person, database: Database) -> None:
    made = await make_endpoint(api, owner, URL)
    await api.data(UPDATE, {"input": {"id": made["id"], "enabled": False}}, caller=owner)
    await api.data(ROTATE, {"id": made["id"]}, caller=owner)
    await api.data(DELETE, {"id": made["id"]}, caller=owner)
    trail = [event["event"] for event in (await contents(database))["audit_events"] if event["subject_id"] == made["id"]]
    assert trail == ["WEBHOOK_CREATED", "WEBHOOK_CHANGED", "WEBHOOK_CHANGED", "WEBHOOK_DELETED"]
