"""GraphQL over server-sent events, in distinct connections mode."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from datastore.settings import Settings
from tests.gql.streams import SSE, streamed
from tests.gql.tiny_service import TinyService, serving, until


@pytest.fixture(scope="module")
async def served() -> AsyncIterator[tuple[TinyService, str]]:
    service = TinyService()
    async with serving(service, Settings(env="test")) as served:
        yield service, f"http://{served.address}"


@pytest.fixture
def tiny(served: tuple[TinyService, str]) -> TinyService:
    served[0].reset()
    return served[0]


@pytest.fixture
def url(served: tuple[TinyService, str]) -> str:
    return served[1]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_subscription_is_a_stream_of_next_events_and_one_complete(url: str, method: str) -> None:
    async with streamed(url, "subscription { three }", SSE, method=method) as received:
        await received.end()
        assert [kind for kind, _ in received.events] == ["next", "next", "next", "complete"]
        assert [result["data"]["three"] for result in received.results] == [1, 2, 3]
        assert received.response.status_code == 200
        headers = received.response.headers
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        assert headers["x-request-id"]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_query_is_one_event_and_complete(url: str, method: str) -> None:
    async with streamed(url, "query ($t: String) { echo(text: $t) }", SSE, variables={"t": "a\nb\r é"}, method=method) as received:
        await received.end()
        assert received.results == [{"data": {"echo": "a\nb\r é"}}]
        assert received.completed


async def test_a_mutation_is_carried_out_by_post_alone(url: str, tiny: TinyService) -> None:
    async with streamed(url, "mutation { add }", SSE) as received:
        await received.end()
        assert received.results == [{"data": {"add": 1}}]
    async with streamed(url, "mutation { add }", SSE, method="GET") as refused:
        await refused.end()
        assert (refused.response.status_code, refused.response.headers["allow"], tiny.added) == (405, "POST", 1)


async def test_a_mutation_goes_on_when_its_client_has_left(url: str, tiny: TinyService) -> None:
    async with httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.post(f"{url}/graphql", json={"query": "mutation { heldAdd }"}, headers={"Accept": SSE}))
        await until(lambda: tiny.waiting == 1)
        asking.cancel()
        await asyncio.wait({asking})
    tiny.gate.set()
    await until(lambda: tiny.waiting == 0)
    assert (tiny.added, tiny.cancelled) == (1, 0)


@pytest.mark.parametrize("query", ["{", "{ nope }", "subscription { nope }", "query A { hello } query B { hello }"])
async def test_what_is_wrong_with_a_document_is_told_by_an_event(url: str, query: str) -> None:
    async with streamed(url, query, SSE) as received:
        await received.end()
        [result] = received.results
        assert (received.response.status_code, received.completed, "data" in result) == (200, True, False)
        assert result["errors"][0]["extensions"]["code"] == "INVALID_INPUT"


async def test_errors_that_end_a_subscription_are_its_last_result(url: str) -> None:
    async with streamed(url, "subscription { bad }", SSE) as received:
        await received.end()
        assert received.results == [{"errors": [{"message": "no", "extensions": {"code": "FORBIDDEN"}}]}]
        assert received.completed


async def test_a_fault_of_ours_ends_the_stream_and_names_the_request(url: str) -> None:
    async with streamed(url, "subscription { broken }", SSE) as received:
        await received.end()
        [result] = received.results
        assert result["errors"][0]["extensions"] == {"code": "INTERNAL", "requestId": received.response.headers["x-request-id"]}
        assert received.completed
        assert "secret" not in received.text


@pytest.mark.parametrize(
    ("authorization", "status", "code"),
    [("Bearer bad", 401, "UNAUTHENTICATED"), ("Bearer busy", 429, "RATE_LIMITED"), ("Bearer down", 503, "UNAVAILABLE")],
)
async def test_a_request_that_may_not_be_made_is_refused_by_its_status(url: str, authorization: str, status: int, code: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(
            f"{url}/graphql", json={"query": "subscription { three }"}, headers={"Accept": SSE, "Authorization": authorization}
        )
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (status, code)
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("body", [b"", b"null", b"7", b"[1]", b"{", b'{"query": 7}', b"[" * 100_000, b"\xff"])
async def test_a_malformed_request_is_400(url: str, body: bytes) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{url}/graphql", content=body, headers={"Accept": SSE, "Content-Type": "application/json"})
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "INVALID_INPUT")
