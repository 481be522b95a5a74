"""A real Stripe for tests: localstripe in a process of its own on the loopback, its customers, and a bad road to it."""

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from datastore.settings import Settings
from tests.serving import serving_app

LIMIT_SECONDS = 20
SECRET_KEY: Final = "sk_test_loopback"
WEBHOOK_SECRET: Final = "whsec_loopback"
_FINE: Final = 200
GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000341"

# On the loopback alone, which its own command does not offer, and without its file in the common folder for temporary files.
_PROGRAM = """
import socket
from aiohttp import web
from localstripe import resources, server
resources.Store.dump_to_disk = lambda store: None
listening = socket.socket()
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
web.run_app(server.app, sock=listening, print=None, access_log=None)
"""


@dataclass
class LocalStripe:
    """The running server, called as whoever has the secret key, or as a customer."""

    url: str
    client: httpx.AsyncClient

    async def register(self, webhook_url: str) -> None:
        """Has events sent to an address, signed with `WEBHOOK_SECRET`; to the last one that was named, and no other."""
        await self.post("/_config/webhooks/tests", url=webhook_url, secret=WEBHOOK_SECRET)

    async def post(self, path: str, **values: Any) -> dict[str, Any]:
        """What a call answers that must succeed."""
        response = await self.client.post(path, json=values)
        assert response.status_code == 200, response.text
        return response.json() if response.content else {}

    async def get(self, path: str) -> dict[str, Any]:
        """What is there."""
        found: dict[str, Any] = (await self.client.get(path)).json()
        return found

    async def pay(self, client_secret: str, number: str = GOOD_CARD) -> int:
        """Pays as a customer does who was given the client secret; the status of the answer."""
        intent_id = client_secret.partition("_secret_")[0]
        assert (await self.get(f"/v1/payment_intents/{intent_id}"))["client_secret"] == client_secret
        card = {"number": number, "exp_month": 12, "exp_year": 2090, "cvc": "123"}
        method = await self.post("/v1/payment_methods", type="card", card=card)
        await self.post(f"/v1/payment_intents/{intent_id}", payment_method=method["id"])
        return (await self.client.post(f"/v1/payment_intents/{intent_id}/confirm")).status_code


@asynccontextmanager
async def localstripe() -> AsyncIterator[LocalStripe]:
    """Starts one."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROGRAM, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            url = f"http://127.0.0.1:{int(await process.stdout.readline())}"
            async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {SECRET_KEY}"}) as client:
                while not await _answers(client):
                    await asyncio.sleep(0.02)
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {SECRET_KEY}"}) as client:
            yield LocalStripe(url, client)
    finally:
        process.kill()  # it has nothing to lose
        await process.wait()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/v1/events")
    except httpx.TransportError:
        return False
    return True


@dataclass
class Call:
    """A call of Stripe that came by."""

    method: str
    path: str
    key: str | None


@dataclass
class Road:
    """A road to Stripe on which answers are lost; idempotency keys hold on it, which localstripe does not know.

    `faults` is what happens to the next calls: a status that is answered in Stripe's place (200: nothing), "hang" (nothing ever comes),
    "cut" (the line is, before Stripe hears of it), or "lost" (it is cut when Stripe has done it).
    """

    stripe: LocalStripe
    url: str = ""
    faults: list[int | str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What happens, once, while Stripe does the next call."""
    _answered: dict[str, Response] = field(default_factory=dict)

    async def answer(self, request: Request) -> Response:
        """Passes a call on."""
        key = request.headers.get("idempotency-key")
        self.calls.append(Call(request.method, request.url.path, key))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int) and fault != _FINE:
            return JSONResponse({"error": {"type": "api_error", "message": "Something is on fire."}}, status_code=fault)
        if fault == "hang":
            await self.released.wait()
        if fault in {"hang", "cut"}:
            return _Cut()
        if key is not None and key in self._answered:
            return self._answered[key]
        passed = await self._passed_on(request)
        if key is not None:
            self._answered[key] = passed
        if self.meanwhile is not None:
            now, self.meanwhile = self.meanwhile, None
            await now()
        return _Cut() if fault == "lost" else passed

    async def _passed_on(self, request: Request) -> Response:
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        kept = {name: value for name, value in request.headers.items() if name in {"authorization", "content-type"}}
        answer = await self.stripe.client.request(request.method, target, content=await request.body(), headers=kept)
        return Response(answer.content, answer.status_code, media_type="application/json")


class _Cut(Response):
    """An answer that breaks off: the server closes a connection on which less came than was announced."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})


@asynccontextmanager
async def bad_road(stripe: LocalStripe) -> AsyncIterator[Road]:
    """Opens one."""
    road = Road(stripe)
    app = Starlette(routes=[Route("/{rest:path}", road.answer, methods=["GET", "POST", "DELETE"])])
    async with serving_app(app, Settings(env="test")) as url:
        road.url = url
        yield road
        road.released.set()


def event(kind: str, subject: dict[str, Any], *, id: str | None = None, created: int | None = None) -> bytes:
    """The body of an event about something."""
    named = id or f"evt_{time.monotonic_ns()}"
    return json.dumps({"id": named, "object": "event", "type": kind, "created": created or 1, "data": {"object": subject}}).encode()


def signature(body: bytes, *, secret: str = WEBHOOK_SECRET, at: float | None = None, scheme: str = "v1") -> str:
    """The header that Stripe signs a body with (https://docs.stripe.com/webhooks/signature)."""
    moment = int(time.time() if at is None else at)
    return f"t={moment},{scheme}={hmac.new(secret.encode(), b'%d.%s' % (moment, body), hashlib.sha256).hexdigest()}"
