"""The public API as a test calls it: documents in, response objects out, and live operations watched."""

import asyncio
import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from datastore.database import version_from
from datastore.scope import Scope
from datastore.versions import Version, from_wire
from gql.live import LiveEngine
from gql.service import GraphQLService, LivePlan
from gql.wire import Caller, GraphQLParams, RequestRefused
from resolvers.auth import system
from resolvers.services import Services

LIMIT_SECONDS = 10
PASSWORD = "correct horse battery"

SIGN_UP = """
mutation ($input: SignUpInput!) {
  signUp(input: $input) { accessToken refreshToken user { id email account { id } } }
}
"""

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in, with a business of their own."""

    email: str
    access_token: str
    refresh_token: str
    user_id: str
    account_id: str


class Watching:
    """One watcher of a live operation, and all it was sent."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()

    @property
    def last(self) -> dict[str, Any]:
        """The newest result."""
        return self.results[-1]

    @property
    def versions(self) -> list[Version]:
        """The versions of all results, in the order they came."""
        return [version for result in self.results if (version := from_wire(result["extensions"]["live"]["version"])) is not None]

    async def count(self, number: int) -> None:
        """Waits until so many results have come."""
        await self.until(lambda: len(self.results) >= number)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition holds after some result."""
        async with asyncio.timeout(LIMIT_SECONDS), self._arrived:
            await self._arrived.wait_for(condition)

    async def take(self, result: dict[str, Any]) -> None:
        """Notes a result that came."""
        async with self._arrived:
            self.results.append(result)
            self._arrived.notify_all()


class Api:
    """Calls the service as a transport does."""

    def __init__(self, service: GraphQLService, services: Services) -> None:
        self.service = service
        self.services = services
        self.mails_who_signs_up = False
        """Whether the mail that confirms an address stays among the jobs, of which most tests count their own."""

    @property
    def engine(self) -> LiveEngine[LivePlan]:
        """The engine of live operations."""
        assert self.service.engine is not None
        return self.service.engine

    async def execute(
        self, document: str, variables: dict[str, Any] | None = None, *, caller: Person | None = None, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """The response object, errors and all."""
        params = GraphQLParams(document, variables)
        try:
            operation = self.service.prepare(params)
        except RequestRefused as refused:
            return {"errors": refused.errors}
        who = Caller(await self.scope_of(caller), "test", idempotency_key)
        payload = await self.service.execute(operation, params, who)
        response: dict[str, Any] = orjson.loads(payload.body)
        return response

    async def data(self, document: str, variables: dict[str, Any] | None = None, *, caller: Person | None = None) -> dict[str, Any]:
        """The data of an operation that must succeed."""
        response = await self.execute(document, variables, caller=caller)
        assert "errors" not in response, response
        data: dict[str, Any] = response["data"]
        return data

    async def code(self, document: str, variables: dict[str, Any] | None = None, *, caller: Person | None = None) -> str:
        """The code of the one error of an operation that must fail."""
        response = await self.execute(document, variables, caller=caller)
        [error] = response["errors"]
        code: str = error["extensions"]["code"]
        return code

    async def scope_of(self, caller: Person | None) -> Scope | None:
        """The scope that a person's access token gives now."""
        return await self.service.authenticate(f"Bearer {caller.access_token}" if caller else None)

    async def sign_up(self, email: str | None = None, name: str = "Ada Lovelace") -> Person:
        """A new person."""
        address = email or f"person{next(_numbers)}@example.org"
        data = await self.data(SIGN_UP, {"input": {"email": address, "password": PASSWORD, "name": name}})
        session = data["signUp"]
        user = session["user"]
        if not self.mails_who_signs_up:
            mail: dict[str, Any] = {"q": {"kind": "sendMail", "account_id": system().account_id}, "limit": 0}
            await asyncio.gather(*(self.services.database.command({"delete": name, "deletes": [mail]}) for name in ("jobs", "job_tickets")))
        return Person(user["email"], session["accessToken"], session["refreshToken"], user["id"], user["account"]["id"])

    @asynccontextmanager
    async def watch(
        self, document: str, variables: dict[str, Any] | None = None, *, caller: Person | None = None, expect_first: bool = True
    ) -> AsyncIterator[Watching]:
        """Watches a live operation (`subscription { live { … } }`) while the context lasts; its first result has come when it begins."""
        params = GraphQLParams(document, variables)
        payloads = self.service.subscribe(self.service.prepare(params), params, Caller(await self.scope_of(caller), "test"))
        watching = Watching()

        async def follow() -> None:
            async for payload in payloads:
                await watching.take(orjson.loads(payload.body))

        following = asyncio.create_task(follow())
        try:
            if expect_first:
                await watching.count(1)
            yield watching
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await payloads.aclose()

    async def settle(self) -> None:
        """Waits until the live engine has handled everything that was committed before this call, and sleeps.

        A row of nobody's is written last: once its event has come, so have all before it.
        """
        marker = {"insert": "idempotency_keys", "documents": [{"_id": secrets.token_hex()}], "bypassDocumentValidation": True}
        reply = await self.services.database.command(marker | {"writeConcern": {"w": "majority"}})
        async with asyncio.timeout(LIMIT_SECONDS):
            while not self.engine.settled(version_from(reply["operationTime"])):
                await asyncio.sleep(0.002)
