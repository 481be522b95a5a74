"""docs/clients.md shows the very code that the tests run, and the packages are pinned."""

import json
import re
from pathlib import Path

import pytest

from tests.clients.node_client import FOLDER

PAGE = FOLDER.parent.parent / "docs" / "clients.md"
DOCUMENTED = sorted((FOLDER / "documented").glob("*.mjs"))

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: path.name)
def test_the_page_shows_each_module_as_it_is(path: Path) -> None:
    assert f"\n`{path.name}`\n\n```js\n{path.read_text()}```\n" in PAGE.read_text()


def test_the_page_shows_nothing_else() -> None:
    assert len(re.findall(r"^```\w", PAGE.read_text(), re.MULTILINE)) == len(DOCUMENTED)


def test_the_page_names_the_versions_that_are_run() -> None:
    packages = json.loads((FOLDER / "package.json").read_text())["dependencies"]
    names = {"graphql-ws": "graphql-ws", "Apollo Client": "@apollo/client", "urql": "@urql/core", "graphql-sse": "graphql-sse"}
    for name, package in names.items():
        assert f"| {name} {packages[package].partition('.')[0]} " in PAGE.read_text()


def test_the_packages_are_pinned_by_hash_and_name_no_source() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if name and ("integrity" not in package or "resolved" in package)] == []
