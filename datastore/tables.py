"""What a table is: a Pydantic model of its row, with an id prefix, indexes, references and a row-level policy.

`datastore/schema.py` declares all tables with this vocabulary; migration, reading, writing and the matcher of live queries derive what
they need from the declarations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Self, cast

from pydantic import BaseModel, ConfigDict

from datastore.ids import new_id
from datastore.rights import Rights


class Policy(Enum):
    """Who may reach the rows of a table."""

    ACCOUNT = "account"
    """Rows belong to an account (`account_id`, the first key of every index); a scope reaches its own account's only."""

    IDENTITY = "identity"
    """Users, sessions and the like: no owner. Only internal functions of their own module reach them, by id or unique key."""


class OnDelete(Enum):
    """What becomes of a row whose referenced row is deleted."""

    RESTRICT = "restrict"
    CASCADE = "cascade"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Index:
    """An index over `keys`, all ascending, with ties broken by id; on an account's table the account comes first.

    A unique index holds each combination of keys once in an account (or once at all, on an identity table); rows in which one of them is
    null are not in it. At most one key may be a column that holds a list: the row then stands in the index once for each of its texts.
    Pages read an index in either direction.
    """

    name: str
    keys: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """The column `column` holds the id of a row of the table named `table`, of the same account."""

    column: str
    table: str
    on_delete: OnDelete


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The declaration of one table; `noun` is what messages call one row of it."""

    name: str
    prefix: str
    noun: str
    policy: Policy = Policy.ACCOUNT
    indexes: tuple[Index, ...] = ()
    references: tuple[Reference, ...] = ()
    followed: bool = True
    """Whether the feed of changes (`datastore/feed.py`) tells an account of its rows; it never tells of rows without an owner."""
    append_only: bool = False
    """Whether rows stay as they were written: nothing updates or deletes one."""
    rights: Rights = field(default_factory=Rights)
    """What each role of the account may do with its rows."""
    by_name: Mapping[str, Index] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {index.name: index for index in self.indexes})

    def stored_keys(self, index: Index) -> tuple[str, ...]:
        """The stored columns of an index in order, owner and tie-breaking `_id` included."""
        owner = ("account_id",) if self.policy is Policy.ACCOUNT else ()
        return (*owner, *index.keys) if index.unique else (*owner, *index.keys, "_id")


class Row(BaseModel):
    """One stored row. Frozen: a change goes through the writer, which makes a new one.

    Times are UTC with a precision of milliseconds, money is in minor units (`…_minor`). Computed fields are stored too, so that they can be
    indexed, and ignored when read back.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)
    spec: ClassVar[TableSpec]

    id: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def new_id(cls) -> str:
        """A fresh id of this table, sortable by time."""
        return new_id(cls.spec.prefix)

    def to_document(self) -> dict[str, Any]:
        """The row as MongoDB stores it: `id` becomes `_id`; columns that are null are stored as null."""
        document = self.model_dump(mode="python")
        document["_id"] = document.pop("id")
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """The row that a stored document holds.

        Stored rows were validated when written (and by the collection's validator), so nothing is checked again. A column that is missing,
        because the row is older and migration still under way, has its default.
        """
        values: dict[str, Any] = {name: document.get(stored, default) for name, stored, default in _stored_fields(cls)}
        return cast("Self", cls.model_construct(**values))


@cache
def _stored_fields(table: type[Row]) -> tuple[tuple[str, str, Any], ...]:
    """Of each field its name, its column, and its value in a row that has no such column."""
    return tuple(
        (name, "_id" if name == "id" else name, None if field.is_required() else field.get_default())
        for name, field in table.model_fields.items()
    )


class OwnedRow(Row):
    """A row that belongs to an account."""

    account_id: str


class TallyRow(OwnedRow):
    """A row of sums, counted up by `Writer.tally` in the transactions that change what is summed.

    Its unique index `by_key` names which sums they are; its other columns are integers. A row that was never counted up does not exist,
    and one that counts nothing any more is the same as none.
    """


class IdentityRow(Row):
    """A row of identity: it has no owner (`Policy.IDENTITY`)."""
