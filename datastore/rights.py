"""Row-level policies: what each role of a business may do with the rows of a table, and which columns it is not shown.

A table declares its `Rights` beside its columns; `datastore/reading.py`, `writing.py`, `bulk_writing.py` and `row_streams.py` keep them, so
that no function can forget to. That a row belongs to the caller's account comes before all this (`tables.Policy`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeVar, get_args

from datastore.errors import ForbiddenError
from datastore.scope import Role

if TYPE_CHECKING:
    from datastore.tables import OwnedRow, Row

Owned = TypeVar("Owned", bound="OwnedRow")

Roles = frozenset[Role]
Act = Literal["read", "list", "insert", "change", "delete"]

ROLES: Final[tuple[Role, ...]] = get_args(Role)
EVERYONE: Final[Roles] = frozenset({"OWNER", "MANAGER", "STAFF"})
MANAGERS: Final[Roles] = frozenset({"OWNER", "MANAGER"})
OWNERS: Final[Roles] = frozenset({"OWNER"})
NOBODY: Final[Roles] = frozenset()
"""Only the business itself, by functions that write for it (`Writer.for_business`)."""

_DOING: Final[Mapping[Act, str]] = {
    "read": "reading",
    "list": "going through the list",
    "insert": "making",
    "change": "changing",
    "delete": "deleting",
}


@dataclass(frozen=True, slots=True)
class Rights:
    """Which roles may do what with the rows of a table; where nothing is said, owners and managers may, and staff may not.

    `list` are those who may go through the rows; others who `read` them find a row only by its id or a unique key, as other rows name it
    (None: all who read). `hidden` are the columns that a role is shown as null; they may be null and have no default, and who is not shown
    all of a row cannot change it. `own` names, for a role that reaches but its own rows, the column that holds the user's id.
    """

    read: Roles = MANAGERS
    insert: Roles = MANAGERS
    change: Roles = MANAGERS
    delete: Roles = MANAGERS
    list: Roles | None = None
    hidden: Mapping[Role, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    own: Mapping[Role, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if self.hidden.keys() & (self.change | self.delete) or not self.hidden.keys() <= self.read:
            raise TypeError("a role that is not shown all columns reads rows, and neither changes nor deletes them")

    def allow(self, act: Act, role: Role) -> bool:
        """Whether a role may do this at all."""
        if act == "list":
            return role in self.read and (self.list is None or role in self.list)
        allowed: Roles = getattr(self, act)
        return role in allowed

    @property
    def tell_roles_apart(self) -> bool:
        """Whether it depends on the role which rows are read; which columns of them is told by `hidden`."""
        return self.read != EVERYONE or self.list not in {None, EVERYONE} or bool(self.own)


@dataclass(frozen=True, slots=True)
class View:
    """A table as one role sees it; `role` is None for the business itself, which sees and does everything."""

    table: "type[OwnedRow]"
    role: Role | None
    hidden: frozenset[str]
    own: str | None
    tells_roles_apart: bool
    partly_shown: frozenset[str]
    """The columns that this or another role is not shown."""

    def tell(self, use: "CallerUse") -> None:
        """Tells what of the caller decides on what is read of the table."""
        if self.role is None:
            return
        if self.tells_roles_apart:
            use.role_mattered()
        if self.own is not None:
            use.person_mattered()
        if self.partly_shown:
            use.columns_mattered(self.table.spec.name, self.partly_shown)

    def check(self, act: Act) -> None:
        """Raises ForbiddenError where the role may not do this."""
        if self.role is not None and not self.table.spec.rights.allow(act, self.role):
            raise ForbiddenError(f"The role {self.role} does not allow {_DOING[act]}: {self.table.spec.noun}.")

    def check_scan(self, index: str, equals: "tuple[Any, ...]", user_id: str) -> None:
        """Raises ForbiddenError where the role may not go through so much of an index: all of it, or what is ordered by a hidden column."""
        self.check("list")
        keys = self.table.spec.by_name[index].keys
        if not self.hidden.isdisjoint(keys) or (self.own is not None and (keys[:1], equals[:1]) != ((self.own,), (user_id,))):
            raise ForbiddenError(f"The role {self.role} does not allow {_DOING['list']}: {self.table.spec.noun} ({index}).")

    def check_reach(self, row: "OwnedRow", user_id: str) -> None:
        """Raises ForbiddenError for a row that is not of those that the role reaches."""
        if self.own is not None and getattr(row, self.own) != user_id:
            raise ForbiddenError(f"The role {self.role} reaches only its own: {self.table.spec.noun}.")

    def shows(self, row: Owned, user_id: str) -> Owned | None:
        """The row as the role sees it; None where it is of those that it does not reach."""
        if self.own is not None and getattr(row, self.own) != user_id:
            return None
        return self.masked(row) if self.hidden else row

    def masked(self, row: Owned) -> Owned:
        """The row without what the role is not shown; `is_masked` then says so."""
        if not self.hidden:
            return row
        masked = row.model_copy()
        masked.__dict__.update(dict.fromkeys(self.hidden))  # a frozen row takes it no other way, and this one is nobody's yet
        masked.model_fields_set.difference_update(self.hidden)
        return masked


@cache
def view_of(table: "type[OwnedRow]", role: Role | None) -> View:
    """A table as a role sees it."""
    rights = table.spec.rights
    hidden = frozenset(rights.hidden.get(role, ())) if role is not None else frozenset[str]()
    own = rights.own.get(role) if role is not None else None
    return View(table, role, hidden, own, rights.tell_roles_apart, hidden_columns(table))


@cache
def hidden_columns(table: "type[Row]") -> frozenset[str]:
    """The columns that some role is not shown."""
    return frozenset(name for names in table.spec.rights.hidden.values() for name in names)


def is_masked(row: "Row") -> bool:
    """Whether a row was read by somebody who is not shown all of it."""
    return not hidden_columns(type(row)) <= row.model_fields_set


def may_follow(table: "type[OwnedRow]", role: Role) -> bool:
    """Whether a role is told of the changes of a table's rows: where it may go through all of them."""
    return table.spec.rights.allow("list", role) and role not in table.spec.rights.own


class CallerUse(Protocol):
    """Is told what of the caller the rows depended on, for that decides who else the result is for (`resolvers/usage.py`)."""

    def role_mattered(self) -> None:
        """Another role might have been given other rows."""

    def columns_mattered(self, table: str, columns: frozenset[str]) -> None:
        """Another role might not have been given these columns of a table's rows."""

    def person_mattered(self) -> None:
        """Another person of the same role might have been given other rows."""
