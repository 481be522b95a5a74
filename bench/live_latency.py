"""From a mutation's answer to the live result at a subscriber, idle, beside the time of a bare change-stream event.

The server is one process, the client another, MongoDB a third, all on this machine. A figure below zero means that the live result was
there before the mutation's own answer.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence

import httpx

from bench.stack import Person, Stack, live_socket, next_result, running_stack
from bench.table import print_table
from datastore.database import Database

CHANGES = 200
WARM_UP = 20
PRODUCTS = 20

CREATE = 'mutation ($name: String!) { createProduct(input: {name: $name, price: "1.00"}) { id } }'
RENAME = "mutation ($id: ID!, $name: String!) { updateProduct(input: {id: $id, name: $name}) { id } }"
WATCH = "subscription { live { products(first: 20) { nodes { id name price stock } } } }"


async def measure_live(stack: Stack) -> tuple[list[float], list[float]]:
    """Seconds from the mutation's answer, and from its sending, to the live result that contains it."""
    after_answer, after_sending = [], []
    async with httpx.AsyncClient() as client:
        person = await Person.sign_up(client, stack.url)
        ids = [(await person.ask(CREATE, name=f"Product {n}"))["data"]["createProduct"]["id"] for n in range(PRODUCTS)]
        async with live_socket(stack, person.token) as socket:
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": WATCH}}))
            await next_result(socket)
            for change in range(CHANGES + WARM_UP):
                sent = time.perf_counter()
                pushed = asyncio.create_task(_stamp(socket))
                await person.ask(RENAME, id=ids[change % PRODUCTS], name=f"Renamed {change}")
                answered = time.perf_counter()
                received = await pushed
                if change >= WARM_UP:
                    after_answer.append(received - answered)
                    after_sending.append(received - sent)
    return after_answer, after_sending


async def _stamp(socket: object) -> float:
    await next_result(socket)  # type: ignore[arg-type]
    return time.perf_counter()


async def measure_event(stack: Stack) -> list[float]:
    """Seconds from the acknowledgement of a majority write to its change-stream event, with nothing of ours between."""
    database = await Database.connect(stack.settings.mongodb_uri or "", "bare")
    stream = database.watch([])
    delays = []
    try:
        await stream.try_next()
        for change in range(CHANGES + WARM_UP):
            event = asyncio.create_task(_event(stream))
            await database.command({"insert": "rows", "documents": [{"n": change}], "writeConcern": {"w": "majority", "j": True}})
            acknowledged = time.perf_counter()
            received = await event
            if change >= WARM_UP:
                delays.append(received - acknowledged)
    finally:
        await stream.close()
        await database.close()
    return delays


async def _event(stream: object) -> float:
    await stream.next()  # type: ignore[attr-defined]
    return time.perf_counter()


async def run() -> None:
    """Measures both in one run and prints the table."""
    async with running_stack() as stack:
        bare = await measure_event(stack)
        after_answer, after_sending = await measure_live(stack)
    rows = [
        _row("bare change-stream event, after the write's acknowledgement", bare),
        _row("live result, after the mutation's answer", after_answer),
        _row("live result, after the mutation was sent", after_sending),
    ]
    print_table("Latency of a live result, idle server (milliseconds)", ["", "median", "p99"], rows)


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    milliseconds = sorted(value * 1000 for value in seconds)
    p99 = milliseconds[min(len(milliseconds) - 1, int(len(milliseconds) * 0.99))]
    return [name, f"{statistics.median(milliseconds):.2f}", f"{p99:.2f}"]
