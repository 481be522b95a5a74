"""An import that is tried again goes on where it was."""

import pytest

from datastore.errors import UnavailableError
from resolvers import product_import
from resolvers.actions import ActionContext
from tests.gql.api import Api, Person
from tests.resolvers.test_transfers import IMPORT, PRODUCTS, done, table


async def test_rows_without_a_sku_are_made_once_however_often_the_job_is_tried(
    api: Api, owner: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product_import, "BATCH", 2)
    mutate, steps = ActionContext.mutate_once, list[str]()

    async def lost_once(ctx: ActionContext, step: str, function: object, /, **arguments: object) -> object:
        steps.append(step)
        if steps == ["0", "1", "2"]:
            raise UnavailableError("The database does not answer.")
        return await mutate(ctx, step, function, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ActionContext, "mutate_once", lost_once)
    monkeypatch.setattr("resolvers.attempts.backoff", lambda *_: 0.0)
    file_id = await table(api, owner, b"name,price\n" + b"".join(b"Tea %d,1\n" % number for number in range(6)))
    job = await done(api, owner, IMPORT, fileId=file_id, mode="SKIP_BAD")
    assert (job["status"], job["attempts"], job["result"]["created"]) == ("SUCCEEDED", 2, 6)
    assert steps == ["0", "1", "2", "0", "1", "2"]
    assert len((await api.data(PRODUCTS, caller=owner))["products"]["nodes"]) == 6
