"""The working day in README.md, run from the page itself: every operation, every answer that it shows, and what the live one comes to show.

A variable stands for the id of what an earlier answer gave under that name; a block of JSON is the answer to the operation above it or,
where it begins with `live`, what the live operation shows by then.
"""

import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.gql.api import Api, Person, Watching

README = Path(__file__).parents[1] / "README.md"
SECTION = re.compile(r"^## A working day\n(.*?)^## ", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"```(graphql|json)\n(.*?)```", re.DOTALL)
VARIABLE = re.compile(r"\$(\w+): ID!")


def blocks() -> list[tuple[str, str]]:
    """The fenced blocks of the section: their language and text."""
    section = SECTION.search(README.read_text(encoding="utf-8"))
    assert section is not None
    return BLOCK.findall(section[1])


def ids_in(data: Any) -> Iterator[tuple[str, str]]:
    """The rows of an answer that have an id, by the name they were given."""
    for name, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, dict) and "id" in value:
            yield name, value["id"]
        yield from ids_in(value)


class Day:
    """What one reader did so far."""

    def __init__(self, api: Api, owner: Person, stack: AsyncExitStack) -> None:
        self._api, self._owner, self._stack = api, owner, stack
        self._ids: dict[str, str] = {}
        self._watching: Watching | None = None
        self._answer: dict[str, Any] = {}

    async def operation(self, document: str) -> None:
        """Runs an operation, or begins to watch it."""
        variables = {name: self._ids[name] for name in VARIABLE.findall(document)}
        if document.startswith("subscription"):
            self._watching = await self._stack.enter_async_context(self._api.watch(document, variables, caller=self._owner))
            return
        self._answer = await self._api.execute(document, variables, caller=self._owner)
        if "errors" in self._answer:
            self._answer = {"errors": [{"message": e["message"], "code": e["extensions"]["code"]} for e in self._answer["errors"]]}
        self._ids |= ids_in(self._answer.get("data"))

    async def shown(self, text: str) -> None:
        """Compares what the page shows with what came."""
        expected = json.loads(text)
        if "live" in expected:
            assert self._watching is not None
            watching = self._watching
            await self._api.settle()
            await watching.until(lambda: bool(watching.results))
            assert watching.last["data"] == expected
        else:
            assert self._answer.get("data", self._answer) == expected

    def nothing_was_refused_unshown(self, following: str) -> None:
        """An error that the page does not show is a fault of the page."""
        assert "errors" not in self._answer or following == "json", self._answer


@pytest.mark.slow
async def test_the_working_day_of_the_readme_goes_as_it_is_written(api: Api) -> None:
    page = blocks()
    assert [language for language, _ in page].count("graphql") >= 8
    async with AsyncExitStack() as stack:
        day = Day(api, await api.sign_up(), stack)
        for position, (language, text) in enumerate(page):
            if language == "json":
                await day.shown(text)
            else:
                await day.operation(text)
                following = page[position + 1][0] if position + 1 < len(page) else ""
                day.nothing_was_refused_unshown(following)
