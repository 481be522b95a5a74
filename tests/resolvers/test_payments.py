"""`createPayment`, and paying from end to end: a real Stripe, its signed events on a real server, live results."""

import asyncio
from typing import Any

from datastore.database import Database
from resolvers.services import Services
from resolvers.verify import verify
from tests.gql.api import Api, Person
from tests.resolvers.card_desk import CREATE, PAID, Desk, awaited_sale, stored
from tests.resolvers.conftest import Unchanged
from tests.resolvers.shop import make_product, problems
from tests.resolvers.teams import REMOVE, join, member_id
from tests.resolvers.till import RECORD_SALE, entries, line, order, refund, refusal, sell, void
from tests.stripe_server import DECLINED_CARD, LocalStripe

BALANCE = "{ balance dashboard(preset: TODAY) { revenue salesCount } }"


async def test_a_sale_is_paid_by_card_and_given_back_while_somebody_watches(
    desk: Desk, stripe: LocalStripe, live_server: str, database: Database
) -> None:
    await stripe.register(f"{live_server}/webhooks/stripe")
    sale = await awaited_sale(desk.api, desk.owner)
    assert (sale["paymentStatus"], await entries(desk.api, desk.owner)) == ("PENDING", [])
    live = f"subscription ($id: ID!) {{ live {{ sale(id: $id) {{ {PAID} }} }} }}"
    async with desk.api.watch(live, {"id": sale["id"]}, caller=desk.owner) as watching:

        def seen() -> dict[str, Any]:
            shown: dict[str, Any] = watching.last["data"]["live"]["sale"]
            return shown

        job = await desk.ask(sale)
        await desk.work()
        await watching.until(lambda: bool(seen()["payments"]) and seen()["payments"][0]["status"] == "OPEN")
        [payment] = seen()["payments"]
        assert (await desk.job(job))["result"] == {"paymentId": payment["id"], "publishableKey": "pk_test_loopback"}
        assert await stripe.pay(payment["clientSecret"]) == 200
        await watching.until(lambda: seen()["paymentStatus"] == "PAID")
        [payment] = seen()["payments"]
        assert (payment["status"], payment["clientSecret"], payment["failure"]) == ("SUCCEEDED", None, None)
        assert payment["paidAt"] == seen()["paidAt"]
        assert await entries(desk.api, desk.owner) == [("SALE", "9.00", "Sale 1")]
        await refund(desk.api, desk.owner, sale, (0, 1))
        assert [(made["amount"], made["status"]) for made in (await desk.sale(sale))["refunds"]] == [("4.50", "PENDING")]
        await desk.work()
        await watching.until(lambda: bool(seen()["refunds"]) and seen()["refunds"][0]["status"] == "SUCCEEDED")
    given = await stripe.get(f"/v1/refunds?payment_intent={payment['providerId']}")
    assert [one["amount"] for one in given["data"]] == [450]
    assert (await verify(database)).findings == ()


async def test_a_card_that_is_declined_leaves_the_payment_open_and_says_why(desk: Desk, stripe: LocalStripe, live_server: str) -> None:
    await stripe.register(f"{live_server}/webhooks/stripe")
    sale = await awaited_sale(desk.api, desk.owner)
    payment = await desk.opened(sale)
    live = "subscription ($id: ID!) { live { sale(id: $id) { paymentStatus payments { status failure clientSecret } } } }"
    async with desk.api.watch(live, {"id": sale["id"]}, caller=desk.owner) as watching:
        assert await stripe.pay(payment["clientSecret"], DECLINED_CARD) == 402
        await watching.count(2)
        declined = {"status": "OPEN", "failure": "Your card was declined.", "clientSecret": payment["clientSecret"]}
        assert watching.last["data"]["live"]["sale"] == {"paymentStatus": "PENDING", "payments": [declined]}


async def test_what_is_not_paid_is_in_no_ledger_and_no_sum(desk: Desk, database: Database) -> None:
    await awaited_sale(desk.api, desk.owner)
    data = await desk.api.data(BALANCE, caller=desk.owner)
    assert data == {"balance": "0.00", "dashboard": {"revenue": "0.00", "salesCount": 0}}
    assert (await verify(database)).findings == ()


async def test_a_payment_counts_on_the_day_of_its_sale(desk: Desk, database: Database) -> None:
    sale = await awaited_sale(desk.api, desk.owner, soldAt="2026-10-01T12:00:00Z")
    payment = await desk.opened(sale)
    assert await desk.hear("payment_intent.succeeded", payment)
    [entry] = (await desk.api.data("{ transactions { nodes { occurredOn amount } } }", caller=desk.owner))["transactions"]["nodes"]
    assert entry == {"occurredOn": "2026-10-01", "amount": "9.00"}
    assert (await verify(database)).findings == ()


async def test_only_online_sales_await_a_payment(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner)
    async with nothing_written():
        answer = await api.execute(RECORD_SALE, order(line(tea), awaitsPayment=True), caller=owner)
    assert problems(answer) == ["input.awaitsPayment"]


async def test_a_sale_that_costs_nothing_awaits_nothing(api: Api, owner: Person, database: Database) -> None:
    sale = await awaited_sale(api, owner, price="0.00")
    assert sale["paymentStatus"] == "PAID"
    assert (await verify(database)).findings == ()


async def test_a_sale_has_one_active_payment_however_many_ask_at_once(desk: Desk) -> None:
    sale = await awaited_sale(desk.api, desk.owner)
    answers = await asyncio.gather(*(desk.api.execute(CREATE, {"saleId": sale["id"]}, caller=desk.owner) for _ in range(5)))
    assert sorted(refusal(answer)[0] if "errors" in answer else "made" for answer in answers) == ["CONFLICT"] * 4 + ["made"]
    await desk.work()
    assert [payment["status"] for payment in (await desk.sale(sale))["payments"]] == ["OPEN"]
    assert await desk.api.code(CREATE, {"saleId": sale["id"]}, caller=desk.owner) == "CONFLICT"


async def test_what_needs_no_payment_gets_none(desk: Desk, stranger: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(desk.api, desk.owner, "Cup", stock=1)
    cash = await sell(desk.api, desk.owner, line(tea))
    called_off = await awaited_sale(desk.api, desk.owner)
    await void(desk.api, desk.owner, called_off)
    paid = await awaited_sale(desk.api, desk.owner)
    await desk.hear("payment_intent.succeeded", await desk.opened(paid))
    async with nothing_written():
        for sale in (cash, called_off, paid):
            assert await desk.api.code(CREATE, {"saleId": sale["id"]}, caller=desk.owner) == "CONFLICT"
        for id in ("", "x", "pay_01J0000000000000000000000A", "\ud800"):
            assert problems(await desk.api.execute(CREATE, {"saleId": id}, caller=desk.owner)) == ["saleId"]
        assert await desk.api.code(CREATE, {"saleId": paid["id"]}, caller=stranger) == "NOT_FOUND"
        assert await desk.api.code(CREATE, {"saleId": paid["id"]}) == "UNAUTHENTICATED"


async def test_an_amount_that_stripe_cannot_take_is_refused_at_once(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    await api.data('mutation { updateSettings(input: {currency: "KWD"}) { id } }', caller=owner)
    sale = await awaited_sale(api, owner, price="1.001", quantity=1)
    async with nothing_written():
        answer = await api.execute(CREATE, {"saleId": sale["id"]}, caller=owner)
    assert refusal(answer) == ("CONFLICT", "Through Stripe, amounts of KWD can only be paid in steps of 0.010.")


async def test_where_payments_are_not_set_up_the_job_says_so_and_another_can_be_asked_for(
    api: Api, owner: Person, services: Services
) -> None:
    desk = Desk(api, owner, services)
    sale = await awaited_sale(api, owner)
    for _ in range(2):
        job = await desk.job_after(await desk.ask(sale))
        assert (job["status"], job["error"]) == ("FAILED", "Payments are not set up on this server.")
    assert [payment["status"] for payment in (await desk.sale(sale))["payments"]] == ["FAILED", "FAILED"]


async def test_a_job_that_was_cancelled_leaves_room_for_another_payment(desk: Desk) -> None:
    sale = await awaited_sale(desk.api, desk.owner)
    job = await desk.ask(sale)
    await desk.api.data("mutation ($id: ID!) { cancelJob(id: $id) { id } }", {"id": job}, caller=desk.owner)
    assert (await desk.opened(sale))["status"] == "OPEN"
    assert [payment["status"] for payment in (await desk.sale(sale))["payments"]] == ["FAILED", "OPEN"]


async def test_the_client_secret_is_shown_to_its_business_alone_and_stored_readable_nowhere(
    desk: Desk, stranger: Person, database: Database
) -> None:
    payment = await desk.opened(await awaited_sale(desk.api, desk.owner))
    secret = payment["clientSecret"]
    assert secret.startswith(f"{payment['providerId']}_secret_")
    for table in ("payments", "jobs", "payment_events", "idempotency_keys"):
        assert secret not in stored(await database.command({"find": table}))
    node = "query ($id: ID!) { node(id: $id) { ... on Payment { clientSecret sale { number } } } }"
    assert (await desk.api.data(node, {"id": payment["id"]}, caller=desk.owner))["node"] == {"clientSecret": secret, "sale": {"number": 1}}
    assert (await desk.api.data(node, {"id": payment["id"]}, caller=stranger))["node"] is None


async def test_staff_have_sales_paid_and_the_money_is_entered_whoever_they_are_then(desk: Desk, database: Database) -> None:
    staff = await join(desk.api, desk.owner, "STAFF")
    tea = await make_product(desk.api, desk.owner, stock=1)
    sale = await sell(desk.api, staff, line(tea), paymentMethod="ONLINE", awaitsPayment=True)
    theirs = Desk(desk.api, staff, desk.services)
    payment = await theirs.opened(sale)
    assert payment["clientSecret"] is not None
    await desk.api.data(REMOVE, {"id": await member_id(desk.api, desk.owner, staff)}, caller=desk.owner)
    assert await desk.hear("payment_intent.succeeded", payment)
    assert (await desk.sale(sale))["paymentStatus"] == "PAID"
    assert await entries(desk.api, desk.owner) == [("SALE", "4.50", "Sale 1")]
    assert (await verify(database)).findings == ()
