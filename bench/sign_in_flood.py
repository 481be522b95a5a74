"""What a flood of 200 sign-ins at once does to a signed-in person's queries. The goal: their p99 is delayed by no more than five times."""

import asyncio
import statistics
import time
from collections import Counter
from typing import Any, Final

import httpx

from bench.stack import PASSWORD, Stack, running_stack
from bench.table import print_table

FLOOD: Final = 200
ALONE: Final = 400
"""Queries that are measured without a flood."""
FLOODS: Final = 5
_SIGN_UP: Final = "mutation ($input: SignUpInput!) { signUp(input: $input) { accessToken } }"
_SIGN_IN: Final = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken } }"
_QUERY: Final = "{ viewer { id name } settings { businessName } }"


async def measure(stack: Stack) -> tuple[list[float], list[float], Counter[str]]:
    """Seconds of each query alone, and of each while a flood is answered; how the sign-ins were answered."""
    limits = httpx.Limits(max_connections=FLOOD + 10)
    async with httpx.AsyncClient(base_url=stack.url, timeout=60, limits=limits) as http, httpx.AsyncClient(base_url=stack.url) as own:
        person = {"email": "ada@example.org", "password": PASSWORD}
        signed = await _post(http, _SIGN_UP, {"input": {**person, "name": "Ada"}})
        token = signed["data"]["signUp"]["accessToken"]
        alone = [await _query(own, token) for _ in range(ALONE)]
        flooded: list[float] = []
        answers: Counter[str] = Counter()
        for _ in range(FLOODS):
            flood = asyncio.gather(*(_post(http, _SIGN_IN, {"input": person}) for _ in range(FLOOD)))
            while not flood.done():
                flooded.append(await _query(own, token))
            answers.update(_outcome(answer) for answer in await flood)
    return alone, flooded, answers


async def _post(http: httpx.AsyncClient, document: str, variables: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (await http.post("/graphql", json={"query": document, "variables": variables})).json()
    return answer


async def _query(http: httpx.AsyncClient, token: str) -> float:
    begun = time.perf_counter()
    answer = await http.post("/graphql", json={"query": _QUERY}, headers={"Authorization": f"Bearer {token}"})
    answer.raise_for_status()
    return time.perf_counter() - begun


def _outcome(answer: dict[str, Any]) -> str:
    return str(answer["errors"][0]["extensions"]["code"]) if "errors" in answer else "signed in"


async def run(stack: Stack) -> None:
    """Measures and prints."""
    alone, flooded, answers = await measure(stack)
    rows = [_row("alone", alone), _row(f"while {FLOOD} sign in at once", flooded)]
    print_table(f"A signed-in query (milliseconds), {FLOODS} floods: {dict(answers)}", ["", "queries", "p50", "p99"], rows)


def _row(name: str, seconds: list[float]) -> list[str]:
    cuts = statistics.quantiles(seconds, n=100)
    return [name, f"{len(seconds):,}", f"{cuts[49] * 1000:.1f}", f"{cuts[98] * 1000:.1f}"]


async def _main() -> None:
    async with running_stack() as stack:
        await run(stack)


if __name__ == "__main__":
    asyncio.run(_main())
