"""Idempotency keys: the same key and input gives the first result again; the same key with another input is a conflict.

The first result is stored in the transaction of the mutation itself, so that there is a result under the key if and only if the mutation
committed, and two requests with one key at once are settled by the unique index. A key is the caller's own; a request with several
mutations has one for each of its fields. Keys are kept for `KEPT_FOR`. Rows are given again as they were; only of a list that is longer
than `MOST_KEPT_BYTES` just the ids are kept, and the rows are given again as they are then.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from datastore.errors import ConflictError
from datastore.schema import TABLES_BY_NAME, IdempotencyKey
from datastore.scope import Scope
from datastore.sealing import Digests
from datastore.tables import OwnedRow, Row
from datastore.writing import Writer

KEPT_FOR = timedelta(days=1)

MOST_KEPT_BYTES = 1 << 18
"""Of a list as JSON. A single row is kept whatever its length."""

_SECRET = frozenset({"password_hash", "refresh_hash", "previous_refresh_hash"})

_JSON = "json"
"""Marks a result that is no row but JSON: that of an internal mutation which returns a dictionary."""


@dataclass(frozen=True, slots=True)
class Replays:
    """What a mutation sent with a key was asked to do, and where its first result is kept."""

    scope: Scope
    key: str
    input_hash: str
    row_type: Any
    """What a row of the result is shown as."""

    @classmethod
    def of(
        cls,
        key: str | None,
        response_key: str,
        scope: Scope | None,
        function: Callable[..., Awaitable[Any]],
        arguments: dict[str, Any],
        digests: Digests,
    ) -> "Replays | None":
        """None without a key, for callers who are not signed in, and for results that must not be kept (tokens)."""
        result_type = get_type_hints(function)["return"]
        row_type = get_args(result_type)[0] if get_origin(result_type) is list else result_type
        kept = result_type is bool or get_origin(result_type) is dict or hasattr(row_type, "of")
        if key is None or scope is None or not kept:
            return None
        # The role is in it: who has another now is not given what they were shown in the one before.
        asked = json.dumps([function.__name__, arguments, scope.role], default=_plain, sort_keys=True)
        # Keyed, for there may be a password in it, which whoever read the database could else try out.
        return cls(scope, f"{key}/{response_key}", digests.of("idempotency", asked), row_type)

    async def carry_out(self, db: Writer, body: Callable[[], Awaitable[Any]], now: datetime) -> Any:
        """The first result where there is one, else the body's, kept under the key.

        Raises ConflictError where the key was used with another input.
        """
        kept = await db.find(IdempotencyKey, "by_key", self.scope.user_id, self.key)
        if kept is not None and kept.created_at > now - KEPT_FOR:
            if kept.input_hash != self.input_hash:
                msg = "This idempotency key was used with another input."
                raise ConflictError(msg)
            return await self._decode(db, json.loads(kept.result))
        if kept is not None:
            await db.delete(kept)
        result = await body()
        await db.insert(
            IdempotencyKey(
                id=IdempotencyKey.new_id(),
                created_at=now,
                updated_at=now,
                account_id=self.scope.account_id,
                user_id=self.scope.user_id,
                key=self.key,
                input_hash=self.input_hash,
                result=_encode(result),
            )
        )
        return result

    async def _decode(self, db: Writer, kept: Any) -> Any:
        if isinstance(kept, bool):
            return kept
        if isinstance(kept, list):
            return [self._shown(one) for one in kept]
        if _JSON in kept:
            return kept[_JSON]
        if "ids" not in kept:
            return self._shown(kept)
        rows = await db.get_all(cast("type[OwnedRow]", TABLES_BY_NAME[kept["table"]]), kept["ids"])
        return [self.row_type.of(rows[id]) for id in kept["ids"] if id in rows]

    def _shown(self, kept: Mapping[str, str]) -> Any:
        return self.row_type.of(TABLES_BY_NAME[kept["table"]].model_validate_json(kept["row"]))


def _encode(result: Any) -> str:
    if isinstance(result, bool):
        return json.dumps(result)
    if isinstance(result, dict):
        return json.dumps({_JSON: result})
    if not isinstance(result, list):
        return json.dumps(_kept(result.row))
    whole = json.dumps([_kept(one.row) for one in result])
    if len(whole) <= MOST_KEPT_BYTES:
        return whole
    return json.dumps({"table": result[0].row.spec.name, "ids": [one.row.id for one in result]})


def _kept(row: Row) -> dict[str, str]:
    """The row, but for what is secret of it, which is never shown."""
    secrets = dict.fromkeys(_SECRET & type(row).model_fields.keys(), "")
    return {"table": row.spec.name, "row": row.model_copy(update=secrets).model_dump_json()}


def _plain(value: Any) -> Any:
    """Arguments as JSON: inputs by the fields that were sent, everything else (amounts, instants, ids) by its text."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    return str(value)
