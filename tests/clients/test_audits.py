"""The audits of GraphQL over HTTP that npm's graphql-http has (https://github.com/graphql/graphql-http/tree/main/implementations)."""

import asyncio
import json
from asyncio.subprocess import PIPE
from typing import Any

import pytest

from tests.clients.node_client import PROGRAMS, node_path

pytestmark = pytest.mark.clients


async def audited(url: str) -> list[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        node_path(), str(PROGRAMS / "audits.mjs"), json.dumps({"url": url}), stdout=PIPE, stderr=PIPE
    )
    out, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, complaints) == (0, b"")
    outcomes: list[dict[str, Any]] = json.loads(out)
    return outcomes


async def test_all_audits_pass_those_that_only_should_included(live_server: str) -> None:
    outcomes = await audited(live_server)
    assert len(outcomes) > 60
    failed = {outcome["name"]: outcome["reason"] for outcome in outcomes if outcome["status"] != "ok"}
    assert failed == {}
