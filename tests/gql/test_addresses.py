import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from datastore.settings import Settings
from gql.addresses import UNKNOWN, address_of, is_of_this_machine
from tests.serving import serving_app


async def told(request: Request) -> PlainTextResponse:
    return PlainTextResponse(address_of(request.scope))


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        ((), "192.0.2.7", "127.0.0.1"),
        (("10.0.0.0/8",), "192.0.2.7", "127.0.0.1"),
        (("127.0.0.1",), "192.0.2.7", "192.0.2.7"),
        (("127.0.0.0/8",), "198.51.100.1, 192.0.2.7", "192.0.2.7"),
        (("127.0.0.1", "192.0.2.7"), "198.51.100.1, 192.0.2.7", "198.51.100.1"),
        (("127.0.0.1",), "2001:DB8::0001", "2001:db8::1"),
        (("127.0.0.1",), "::ffff:192.0.2.7", "192.0.2.7"),
        (("127.0.0.1",), "unknown", UNKNOWN),
        (("127.0.0.1",), "<script>", UNKNOWN),
    ],
)
async def test_the_word_of_a_proxy_is_taken_where_it_is_trusted(trusted: tuple[str, ...], forwarded: str, address: str) -> None:
    app = Starlette(routes=[Route("/", told)])
    async with serving_app(app, Settings(env="test", trusted_proxies=trusted)) as url, httpx.AsyncClient() as client:
        assert (await client.get(url, headers={"X-Forwarded-For": forwarded})).text == address


def test_all_whose_address_is_not_known_are_one() -> None:
    assert [address_of({"client": client}) for client in (None, ("", 0), ("/run/socket", 0))] == [UNKNOWN] * 3


@pytest.mark.parametrize(
    ("client", "host", "here"),
    [
        ("127.0.0.1", b"localhost:8000", True),
        ("::1", b"[::1]:8000", True),
        ("127.0.0.1", b"127.0.0.1", True),
        ("127.0.0.1", b"evil.example:8000", False),
        ("127.0.0.1", b"localhost.evil.example", False),
        ("192.0.2.7", b"localhost:8000", False),
        ("/run/socket", b"localhost", False),
    ],
)
def test_who_is_on_this_machine_calls_it_by_its_own_name(client: str, host: bytes, here: bool) -> None:
    assert is_of_this_machine({"type": "http", "client": (client, 1), "headers": [(b"host", host)]}) is here
