"""Subscriptions over multipart HTTP, as Apollo's protocol has them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from datastore.settings import Settings
from tests.gql.streams import MULTIPART, streamed
from tests.gql.tiny_service import TinyService, serving

APOLLO = f"{MULTIPART},application/graphql-response+json,application/json;q=0.9"


@pytest.fixture(scope="module")
async def url() -> AsyncIterator[str]:
    async with serving(TinyService(), Settings(env="test")) as served:
        yield f"http://{served.address}"


@pytest.mark.parametrize(
    "accept", [APOLLO, 'multipart/mixed;subscriptionSpec="1.0", application/json', "multipart/mixed; subscriptionSpec=1.0"]
)
async def test_a_subscription_is_a_part_for_each_result(url: str, accept: str) -> None:
    async with streamed(url, "subscription { three }", accept) as received:
        await received.end()
        assert received.parts == [{"payload": {"data": {"three": number}}} for number in (1, 2, 3)]
        assert received.completed
        assert received.response.status_code == 200
        headers = received.response.headers
        assert headers["content-type"] == "multipart/mixed; boundary=graphql; subscriptionSpec=1.0"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")


async def test_errors_of_the_operation_are_in_the_payload(url: str) -> None:
    async with streamed(url, "subscription { bad }", APOLLO) as received:
        await received.end()
        assert received.parts == [{"payload": {"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]}}]
        assert received.completed


async def test_a_fault_of_ours_is_an_error_of_the_transport(url: str) -> None:
    async with streamed(url, "subscription { broken }", APOLLO) as received:
        await received.end()
        [part] = received.parts
        assert part["payload"] is None
        assert part["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": received.response.headers["x-request-id"]}
        assert received.completed
        assert "secret" not in received.text


@pytest.mark.parametrize(("query", "status"), [("{ hello }", 200), ("subscription { nope }", 400), ("{", 400)])
async def test_what_is_no_stream_is_answered_as_the_client_also_accepts(url: str, query: str, status: int) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{url}/graphql", json={"query": query}, headers={"Accept": APOLLO})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
    assert ("errors" in response.json()) == (status == 400)


async def test_a_query_of_a_client_that_accepts_parts_alone_is_406(url: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{url}/graphql", json={"query": "mutation { add }"}, headers={"Accept": MULTIPART})
        assert response.status_code == 406
        count = await client.post(f"{url}/graphql", json={"query": "mutation { add }"})
    assert count.json() == {"data": {"add": 1}}
