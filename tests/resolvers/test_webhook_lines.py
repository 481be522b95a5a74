"""What one endpoint is sent, in which order, and what happens when its receiver fails."""

import asyncio
import json
from datetime import timedelta

import pytest

from datastore.database import Database
from resolvers import webhook_attempts, webhook_lines
from resolvers.services import Services
from tests.gql.api import LIMIT_SECONDS, Api, Person
from tests.receivers import Received, Receiver, receiving, status
from tests.resolvers.clocks import Clock
from tests.resolvers.conftest import contents
from tests.resolvers.hooks import (
    DELETE,
    TEST,
    UPDATE,
    Values,
    deliveries,
    endpoint_of,
    make_endpoint,
    open_to_all,
    pass_by,
    sending,
    until_logged,
)
from tests.resolvers.shop import UPDATE_PRODUCT, make_product

Shop = tuple[Api, Clock, Person]

pytestmark = pytest.mark.slow


@pytest.fixture
async def shop(database: Database, services: Services) -> Shop:
    api, clock = open_to_all(services)
    return api, clock, await api.sign_up()


async def rename(api: Api, owner: Person, product: Values, *names: str) -> None:
    for name in names:
        await api.data(UPDATE_PRODUCT, {"input": {"id": product["id"], "name": name}}, caller=owner)


def told(receiver: Receiver, product: Values) -> list[str]:
    """The versions that were told of a product, in the order they came."""
    return [each.message["data"]["version"] for each in receiver.received if each.message["data"].get("id") == product["id"]]


def states(log: list[Values]) -> list[str]:
    return [each["status"] for each in log]


async def test_what_is_told_of_a_row_stays_in_order_when_it_fails_and_other_rows_go_on(shop: Shop, receiver: Receiver) -> None:
    api, clock, owner = shop
    bad, good = [await make_product(api, owner, name) for name in ("Assam", "Darjeeling")]
    endpoint = await make_endpoint(api, owner, receiver.url, "product.updated")
    receiver.answer = lambda request: status(500 if request.message["data"]["id"] == bad["id"] else 200)
    async with sending(api.services) as process:
        await rename(api, owner, bad, "A 1", "A 2")
        await rename(api, owner, good, "D 1", "D 2")
        await rename(api, owner, bad, "A 3")
        log = await until_logged(api, owner, endpoint["id"], lambda log: states(log).count("DELIVERED") == 2 and len(log) == 5)
        assert sorted(states(log)) == ["DELIVERED", "DELIVERED", "SCHEDULED", "WAITING", "WAITING"]
        assert len(told(receiver, bad)) == 1
        receiver.answer = lambda _: status(200)
        await pass_by(api, clock, process, seconds=6)
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"] * 5)
    first, again, *others = told(receiver, bad)
    assert first == again
    assert [again, *others] == sorted({again, *others})
    assert len(others) == 2
    assert told(receiver, good) == sorted(set(told(receiver, good)))
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert len(set(ids)) == len(ids) - 1, "the repeat alone has the id of what it repeats"


async def test_a_row_that_overtakes_those_that_were_looked_at_is_told_once(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    quick, *slow = [await make_product(api, owner, f"Tea {number}") for number in range(webhook_lines.AT_ONCE)]
    endpoint = await make_endpoint(api, owner, receiver.url, "product.updated")
    async with sending(api.services, sends=False):
        await rename(api, owner, quick, "A 1", "A 2")
        for product in slow:
            await rename(api, owner, product, "B")
        await rename(api, owner, quick, "A 3", "A 4")
        await until_logged(api, owner, endpoint["id"], lambda log: len(log) == len(slow) + 4)
    receiver.held = lambda request: request.message["data"]["id"] != quick["id"]
    async with sending(api.services):
        await receiver.count(len(slow) + 4)
        receiver.release()
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"] * (len(slow) + 4))
    versions = told(receiver, quick)
    assert (len(versions), versions) == (4, sorted(set(versions)))
    assert len(receiver.received) == len(slow) + 4


async def test_a_row_whose_messages_were_passed_over_stays_in_order_when_its_turn_comes_amid_others(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_lines, "AT_ONCE", 2)
    monkeypatch.setattr(webhook_lines, "_PAGE", 4)
    api, _, owner = shop
    late, *others = [await make_product(api, owner, f"Tea {number}") for number in range(6)]
    endpoint = await make_endpoint(api, owner, receiver.url, "product.updated")
    order = [late, late, others[0], others[1], others[2], late, others[3], others[4], late]
    async with sending(api.services, sends=False):
        for number, product in enumerate(order):
            await rename(api, owner, product, f"Name {number}")
        await until_logged(api, owner, endpoint["id"], lambda log: len(log) == len(order))
    gates = {late["id"]: asyncio.Event(), others[2]["id"]: asyncio.Event()}
    receiver.held = lambda request: gates.get(request.message["data"]["id"], False)
    async with sending(api.services):
        # The first of the row and another's are under way; two of the row's were passed over, one of them behind the other's.
        await receiver.count(4)
        gates[late["id"]].set()
        await receiver.until(lambda: len(told(receiver, late)) == 4)
        gates[others[2]["id"]].set()
        await receiver.count(len(order))
    assert told(receiver, late) == sorted(set(told(receiver, late)))
    assert len(receiver.received) == len(order)


async def test_a_receiver_that_hangs_holds_up_no_other(shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    api, clock, owner = shop
    monkeypatch.setattr(webhook_attempts, "SECONDS", 0.5)
    async with receiving() as hanging:
        hanging.answer = lambda _: None
        stuck = await make_endpoint(api, owner, hanging.url, "product.created")
        await make_endpoint(api, owner, receiver.url, "product.created")
        async with sending(api.services) as process:
            for number in range(12):
                await make_product(api, owner, f"Tea {number}")
            await receiver.count(12)
            assert hanging.most_at_once <= webhook_lines.AT_ONCE
            log = await until_logged(api, owner, stuck["id"], lambda log: states(log).count("SCHEDULED") >= 5)
            assert {each["error"] for each in log} <= {None, "There was no answer within 0.5 seconds."}
            await until_paused(api)
            hanging.answer = lambda _: status(200)
            await pass_by(api, clock, process, minutes=6)
            await until_logged(api, owner, stuck["id"], lambda log: states(log) == ["DELIVERED"] * 12)


async def test_an_endpoint_that_fails_is_asked_now_and_then_and_sent_everything_once_it_answers(shop: Shop, receiver: Receiver) -> None:
    api, clock, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    receiver.answer = lambda _: status(503)
    async with sending(api.services) as process:
        for number in range(10):
            await make_product(api, owner, f"Tea {number}")
        await until_logged(api, owner, endpoint["id"], lambda log: len(log) == 10 and states(log).count("SCHEDULED") >= 5)
        assert (await endpoint_of(api, owner, endpoint["id"]))["failingSince"] == "2027-02-01T12:00:00.000Z"
        await until_paused(api)
        tried = len(receiver.received)
        assert tried <= 8
        await pass_by(api, clock, process, minutes=6)
        await receiver.count(tried + 1)
        await until_paused(api)
        assert len(receiver.received) == tried + 1
        later = {"$set": {"next_attempt_at": clock.now + timedelta(hours=20)}}
        await api.services.database.command(
            {"update": "webhook_deliveries", "updates": [{"q": {"state": "SCHEDULED"}, "u": later, "multi": True}]}
        )
        receiver.answer = lambda _: status(200)
        await pass_by(api, clock, process, minutes=6)
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"] * 10)
    assert (await endpoint_of(api, owner, endpoint["id"]))["failingSince"] is None


async def test_what_fails_while_the_endpoint_answers_again_holds_up_its_row_no_longer_than_until_it_is_sent(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, clock, owner = shop
    monkeypatch.setattr(webhook_lines, "LOOK_SECONDS", 0.1)
    first, slow, *others = [await make_product(api, owner, f"Tea {number}") for number in range(webhook_lines.AT_ONCE)]
    bad = {product["id"] for product in others[:3]}
    failed: set[str] = set()

    def answer(request: Received) -> bytes | None:
        if request.about[1] in bad - failed:
            failed.add(request.about[1])
            return status(500)
        return None if request.about[1] == slow["id"] else status(200)

    def about(logged: Values) -> str:
        return str(json.loads(logged["body"])["data"]["id"])

    endpoint = await make_endpoint(api, owner, receiver.url, "product.updated")
    receiver.answer = lambda _: status(500)
    async with sending(api.services) as process:
        await rename(api, owner, first, "A")
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["SCHEDULED"])
        receiver.held = lambda _: True
        receiver.answer = answer
        await pass_by(api, clock, process, minutes=2)
        await receiver.count(2)
        for product in (slow, *others):
            await rename(api, owner, product, "B 1", "B 2")
        await receiver.count(1 + webhook_lines.AT_ONCE)
        receiver.release()
        await until_logged(api, owner, endpoint["id"], lambda log: sum(each["attempts"] > 0 for each in log if about(each) in bad) >= 3)
        clock.now += timedelta(seconds=6)
        await until_logged(api, owner, endpoint["id"], lambda log: states(log).count("DELIVERED") == 1 + 2 * len(others))


async def test_a_test_is_sent_at_once_also_while_an_endpoint_that_fails_is_being_asked(shop: Shop, receiver: Receiver) -> None:
    api, clock, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    receiver.answer = lambda request: status(200 if request.about[0] == "webhook.test" else 503)
    async with sending(api.services) as process:
        for number in range(10):
            await make_product(api, owner, f"Tea {number}")
        await until_logged(api, owner, endpoint["id"], lambda log: len(log) == 10 and states(log).count("SCHEDULED") >= 5)
        await until_paused(api)
        tried = len(receiver.received)
        receiver.held = lambda request: request.about[0] != "webhook.test"
        await pass_by(api, clock, process, minutes=6)
        await receiver.count(tried + 1)
        await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
        receiver.release()
        log = await until_logged(api, owner, endpoint["id"], lambda log: "DELIVERED" in states(log))
    assert [each["event"] for each in log if each["status"] == "DELIVERED"] == ["webhook.test"]


async def until_paused(api: Api) -> None:
    """Waits until no process sends, because the receiver fails."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not any(
            queue["paused_until"] > api.services.clock() and queue["holder"] is None
            for queue in (await contents(api.services.database))["webhook_queues"]
        ):
            await asyncio.sleep(0.02)


async def test_a_message_is_given_up_after_ten_attempts_and_those_behind_it_go_on(
    shop: Shop, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, clock, owner = shop
    monkeypatch.setattr(webhook_lines, "DISABLED_AFTER", timedelta(days=1000))
    product = await make_product(api, owner)
    endpoint = await make_endpoint(api, owner, receiver.url, "product.updated")
    first: list[str] = []

    def refuse_the_first(request: Received) -> bytes:
        first.append(request.headers["webhook-id"])
        return status(500 if request.headers["webhook-id"] == first[0] else 200, b"no")

    receiver.answer = refuse_the_first
    async with sending(api.services) as process:
        await rename(api, owner, product, "A 1", "A 2")
        for attempt in range(1, 11):
            await until_logged(api, owner, endpoint["id"], lambda log, n=attempt: bool(log) and log[0]["attempts"] == n)  # type: ignore[misc]
            await pass_by(api, clock, process, hours=30)
        log = await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["FAILED", "DELIVERED"])
    assert (log[0]["responseStatus"], log[0]["responseBody"], log[0]["nextAttemptAt"]) == (500, "no", None)
    assert log[0]["error"] == "The receiver answered 500."
    assert len(receiver.received) == 11


async def test_a_redirect_counts_as_a_failure_and_leads_nowhere(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    async with receiving() as inner:
        receiver.answer = lambda _: status(307, Location=inner.url)
        endpoint = await make_endpoint(api, owner, receiver.url)
        await api.data(TEST, {"id": endpoint["id"]}, caller=owner)
        async with sending(api.services):
            [logged] = await until_logged(api, owner, endpoint["id"], lambda log: log[0]["attempts"] == 1)
        assert (logged["status"], logged["error"]) == ("SCHEDULED", "The receiver answered 307. Redirects are not followed.")
        assert inner.received == []


async def test_a_process_that_stops_amid_messages_leaves_them_to_another_under_the_same_ids(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    receiver.answer = lambda _: None
    async with sending(api.services):
        for number in range(3):
            await make_product(api, owner, f"Tea {number}")
        await receiver.count(3)
    receiver.answer = lambda _: status(200)
    async with sending(api.services):
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"] * 3)
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert (len(ids), set(ids[:3])) == (6, set(ids[3:]))


async def test_two_processes_tell_each_change_once_and_in_order(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    products = [await make_product(api, owner, f"Tea {number}") for number in range(3)]
    endpoint = await make_endpoint(api, owner, receiver.url, "product.updated")
    async with sending(api.services), sending(api.services):
        await asyncio.gather(*(rename(api, owner, product, *(f"{product['name']} {n}" for n in range(8))) for product in products))
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"] * 24)
    for product in products:
        versions = told(receiver, product)
        assert versions == sorted(set(versions))
        assert len(versions) == 8


async def test_an_endpoint_that_is_switched_off_is_sent_what_waited_and_what_it_missed_is_said(shop: Shop, receiver: Receiver) -> None:
    api, clock, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    receiver.answer = lambda _: status(500)
    async with sending(api.services) as process:
        await make_product(api, owner, "Waiting")
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["SCHEDULED"])
        await api.data(UPDATE, {"input": {"id": endpoint["id"], "enabled": False}}, caller=owner)
        receiver.answer = lambda _: status(200)
        await pass_by(api, clock, process, hours=1)
        other = await make_endpoint(api, owner, receiver.url, "product.created")
        await make_product(api, owner, "Missed")
        await until_logged(api, owner, other["id"], lambda log: states(log) == ["DELIVERED"])
        assert states(await deliveries(api, owner, endpoint["id"])) == ["SCHEDULED"]
        await api.data(UPDATE, {"input": {"id": endpoint["id"], "enabled": True}}, caller=owner)
        process.wake()
        log = await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"] * 2)
    assert [each["event"] for each in log] == ["product.created", "feed.gap"]
    assert '"from":"2027-02-01T12:00:00.000Z","to":"2027-02-01T13:00:00.000Z"' in log[1]["body"]


async def test_the_deliveries_of_a_deleted_endpoint_are_deleted(shop: Shop, receiver: Receiver) -> None:
    api, _, owner = shop
    endpoint = await make_endpoint(api, owner, receiver.url, "product.created")
    async with sending(api.services) as process:
        await make_product(api, owner)
        await until_logged(api, owner, endpoint["id"], lambda log: states(log) == ["DELIVERED"])
        await api.data(DELETE, {"id": endpoint["id"]}, caller=owner)
        process.wake()
        async with asyncio.timeout(LIMIT_SECONDS):
            while (stored := await contents(api.services.database))["webhook_queues"] or stored["webhook_deliveries"]:
                await asyncio.sleep(0.02)
    assert len(receiver.received) == 1
