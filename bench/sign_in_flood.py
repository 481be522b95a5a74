"""What a flood of 200 sign-ins at once does to a signed-in person's queries. The goal: their p99 is delayed by no more than five times."""

import asyncio
import json
import statistics
import sys
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
PEOPLE: Final = 21
"""The first of them queries, the others sign in."""
_SIGN_UP: Final = "mutation ($input: SignUpInput!) { signUp(input: $input) { accessToken } }"
_SIGN_IN: Final = "mutation ($input: SignInInput!) { signIn(input: $input) { accessToken } }"
_QUERY: Final = "{ viewer { id name } settings { businessName } }"


async def measure(stack: Stack) -> tuple[list[float], list[float], Counter[str]]:
    """Seconds of each query alone, and of each while a flood is answered; how the sign-ins were answered."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as own:
        signed = [await _post(own, _SIGN_UP, {"input": {**_person(number), "name": "Ada"}}) for number in range(PEOPLE)]
        token = signed[0]["data"]["signUp"]["accessToken"]
        alone = [await _query(own, token) for _ in range(ALONE)]
        flooded: list[float] = []
        answers: Counter[str] = Counter()
        for _ in range(FLOODS):
            # In a process of its own: what is measured must not wait for the flood's own client.
            flood = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.sign_in_flood", stack.url, stdout=asyncio.subprocess.PIPE
            )
            output = asyncio.create_task(flood.communicate())
            while not output.done():
                flooded.append(await _query(own, token))
            answers.update(json.loads((await output)[0]))
    return alone, flooded, answers


def _person(number: int) -> dict[str, str]:
    return {"email": f"person{number}@example.org", "password": PASSWORD}


async def _flood(url: str) -> Counter[str]:
    """How so many sign-ins at once were answered."""
    limits = httpx.Limits(max_connections=FLOOD)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as http:
        signing_in = (_post(http, _SIGN_IN, {"input": _person(1 + number % (PEOPLE - 1))}) for number in range(FLOOD))
        return Counter(map(_outcome, await asyncio.gather(*signing_in)))


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
    if sys.argv[1:]:
        sys.stdout.write(json.dumps(asyncio.run(_flood(sys.argv[1]))))
    else:
        asyncio.run(_main())
