"""What the server says of how it carries out the reads that it is sent."""

from typing import Any

from datastore.database import Database, Document


class Spy(Database):
    """A database that keeps what is read from it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database._client, database.name)
        self.sent: list[Document] = []

    async def read(self, command: Any) -> Document:
        self.sent.append({name: value for name, value in command.items() if name not in {"readConcern", "maxTimeMS"}})
        return await super().read(command)


async def plans_of(database: Database, command: Document) -> list[Document]:
    """The plan of each leg of a command, as it was executed."""
    explained = await database.command({"explain": command, "verbosity": "executionStats"})
    if "queryPlanner" in explained:
        return [explained]
    cursors = [stage for stage in explained["stages"] if "$cursor" in stage]
    for stage in explained["stages"]:
        cursors += [inner for inner in stage.get("$unionWith", {}).get("pipeline", []) if "$cursor" in inner]
    return [stage["$cursor"] for stage in cursors]
