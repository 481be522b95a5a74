"""MongoDB's own way to fail a command on purpose (`failCommand`, on a server with `enableTestCommands`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient


@asynccontextmanager
async def failing(uri: str, command: str, times: int | None = None, **how: Any) -> AsyncIterator[None]:
    """Fail the next `times` of a command (all, where None): close its connection, unless `how` says otherwise (`errorCode`)."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(uri, appname="failpoints")
    data = {"failCommands": [command], "appName": "tillstream", **(how or {"closeConnection": True})}
    try:
        mode = "alwaysOn" if times is None else {"times": times}
        await client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})
        yield
    finally:
        await client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
        client.close()
