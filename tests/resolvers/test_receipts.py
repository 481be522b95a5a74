"""`sendReceipt`, as a client sees it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from resolvers.services import Services
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged
from tests.resolvers.post import Post, pdf_of, post_office, text_of
from tests.resolvers.shop import make_product, problems
from tests.resolvers.till import line, refund, refusal, sell, void

SEND = "mutation ($saleId: ID!, $email: String) { sendReceipt(saleId: $saleId, email: $email) { id kind status error } }"
JOB = "query ($id: ID!) { job(id: $id) { status attempts error } }"


@pytest.fixture
async def post(api: Api, services: Services) -> AsyncIterator[Post]:
    """A post office."""
    async with post_office(services) as post:
        yield post


@pytest.fixture
async def sale(api: Api, owner: Person) -> dict[str, Any]:
    """Two teas."""
    tea = await make_product(api, owner, "Assam", "4.50", taxRate="7", stock=10)
    return await sell(api, owner, line(tea, 2), customerEmail="jo@example.org", customerName="Jo")


async def send(api: Api, owner: Person, sale: dict[str, Any], email: str | None = None) -> str:
    """Asks for a receipt; the id of the job."""
    data = await api.data(SEND, {"saleId": sale["id"], "email": email}, caller=owner)
    assert (data["sendReceipt"]["kind"], data["sendReceipt"]["status"]) == ("sendReceipt", "QUEUED")
    id: str = data["sendReceipt"]["id"]
    return id


async def job(api: Api, owner: Person, id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.data(JOB, {"id": id}, caller=owner))["job"]
    return found


async def test_a_receipt_goes_to_the_customer_as_mail_and_pdf(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    id = await send(api, owner, sale)
    assert post.messages == []
    await post.work()
    [message] = post.messages
    assert post.recipients == ["jo@example.org"]
    assert message["Subject"] == "Your receipt from Ada Lovelace (no. 1)"
    assert "Hello Jo," in text_of(message)
    assert "2 × Assam: $9.00" in text_of(message)
    name, text = pdf_of(message)
    assert name == "Receipt-1.pdf"
    assert "Assam 2 $4.50 $9.00" in text
    assert "Of which 7% tax $0.59" in text
    assert await job(api, owner, id) == {"status": "SUCCEEDED", "attempts": 1, "error": None}


async def test_a_receipt_goes_where_it_is_asked_to(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    await send(api, owner, sale, " Other@Example.org ")
    await post.work()
    assert post.recipients == ["other@example.org"]


async def test_a_receipt_shows_the_sale_as_it_is_when_it_goes(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    await send(api, owner, sale)
    await refund(api, owner, sale, (0, 1))
    await post.work()
    assert "Paid after refunds $4.50" in pdf_of(post.messages[0])[1]


async def test_a_voided_sale_says_so_on_its_receipt(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    await void(api, owner, sale)
    await send(api, owner, sale)
    await post.work()
    assert "VOID" in pdf_of(post.messages[0])[1]


async def test_a_german_business_sends_german_receipts(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    update = 'mutation { updateSettings(input: {locale: "de", timeZone: "Europe/Berlin", receiptFooter: "Danke!"}) { id } }'
    await api.data(update, caller=owner)
    await send(api, owner, sale)
    await post.work()
    assert post.messages[0]["Subject"] == "Ihr Beleg von Ada Lovelace (Nr. 1)"
    assert "Summe: 9,00 $" in text_of(post.messages[0])
    assert "Danke!" in pdf_of(post.messages[0])[1]


async def test_a_refused_address_fails_at_once_with_a_safe_reason(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    post.server.answers["RCPT"] = ["550 no such user at internal.example"]
    id = await send(api, owner, sale)
    await post.work()
    failed = await job(api, owner, id)
    assert failed == {"status": "FAILED", "attempts": 1, "error": "The mail server refused the address or the message (550)."}


async def test_a_mail_that_is_put_off_goes_later_and_once(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    post.server.answers["RCPT"] = ["451 greylisted"]
    id = await send(api, owner, sale)
    await post.work()
    assert (await job(api, owner, id))["status"] == "QUEUED"
    await post.work(until=api.services.clock() + timedelta(days=1))
    assert len(post.messages) == 1
    assert await job(api, owner, id) == {"status": "SUCCEEDED", "attempts": 2, "error": None}


async def test_a_repeat_after_a_lost_answer_carries_the_same_message_id(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    post.server.drops_after_taking = True
    await send(api, owner, sale)
    await post.work()
    post.server.drops_after_taking = False
    await post.work(until=api.services.clock() + timedelta(days=1))
    assert len(post.server.attempted) == 2
    assert len(set(post.server.attempted)) == 1


async def test_a_sale_without_an_address_needs_one(api: Api, owner: Person, nothing_written: Unchanged) -> None:
    tea = await make_product(api, owner, stock=10)
    sale = await sell(api, owner, line(tea))
    async with nothing_written():
        code, message = refusal(await api.execute(SEND, {"saleId": sale["id"]}, caller=owner))
    assert (code, "Sale 1" in message) == ("CONFLICT", True)


@pytest.mark.parametrize(
    "email", ["", "jo", "jo@example.org\r\nBcc: x@example.org", "a@example.org, b@example.org", "x" * 300 + "@example.org", "\0"]
)
async def test_what_is_no_address_is_refused(api: Api, owner: Person, sale: dict[str, Any], nothing_written: Unchanged, email: str) -> None:
    async with nothing_written():
        assert problems(await api.execute(SEND, {"saleId": sale["id"], "email": email}, caller=owner)) == ["email"]


async def test_a_sale_of_somebody_else_is_not_found(api: Api, stranger: Person, sale: dict[str, Any], nothing_written: Unchanged) -> None:
    async with nothing_written():
        assert await api.code(SEND, {"saleId": sale["id"], "email": "x@example.org"}, caller=stranger) == "NOT_FOUND"
        assert await api.code(SEND, {"saleId": sale["id"], "email": "x@example.org"}) == "UNAUTHENTICATED"


async def test_a_hostile_name_of_a_business_stays_a_name(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    name = 'Evil" <x@evil.example>, <b>'
    await api.data("mutation ($name: String!) { updateSettings(input: {businessName: $name}) { id } }", {"name": name}, caller=owner)
    await send(api, owner, sale)
    await post.work()
    [sender] = post.messages[0]["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "till@shop.example")
    assert post.recipients == ["jo@example.org"]


async def test_the_job_of_a_receipt_is_live(api: Api, owner: Person, post: Post, sale: dict[str, Any]) -> None:
    id = await send(api, owner, sale)

    async def work() -> None:
        await post.work()

    await verify_live(api, "{ job(id: $id) { status } }", work, variables="($id: ID!)", values={"id": id}, caller=owner)
