"""An export that is tried again makes one file."""

import pytest

from datastore.errors import UnavailableError
from resolvers import export_work
from resolvers.stored_files import store_result
from tests.gql.api import Api, Person
from tests.resolvers.ledgers import keep_ledger
from tests.resolvers.test_transfers import EXPORT, YEAR, done


async def test_an_export_whose_end_was_lost_is_not_stored_twice(api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    await keep_ledger(api.services.database, owner, 5)
    kept = list[str]()

    async def lost_once(*args: object, **named: object) -> str:
        kept.append(await store_result(*args, **named))  # type: ignore[arg-type]
        if len(kept) == 1:
            raise UnavailableError("The database does not answer.")
        return kept[-1]

    monkeypatch.setattr(export_work, "store_result", lost_once)
    monkeypatch.setattr("resolvers.attempts.backoff", lambda *_: 0.0)
    job = await done(api, owner, EXPORT, **YEAR, format="CSV")
    assert (job["status"], job["attempts"], job["file"]["id"]) == ("SUCCEEDED", 2, kept[0])
    assert kept[0] == kept[1]
    assert (await api.data("{ storageUsage { files } }", caller=owner))["storageUsage"]["files"] == 1
