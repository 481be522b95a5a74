"""The kinds of function that the business is made of, and the context each kind receives.

A function is a plain typed async function whose first parameter is its context. Its decorator names the kind; the schema is assembled
from what is marked. A context offers just what its kind may do: a query's has no writer, a mutation's reads and writes one transaction.
The `identity_` kinds reach the tables that have no owner (users, sessions, codes), and are for the few modules that these are the business
of; a test names them.

Functions call each other as what they are: `await find_product(ctx, …)`. An undecorated function is internal: the wire never sees it.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from datetime import date, datetime
from enum import Enum
from typing import Any, Final, Protocol, Self, TypeVar, cast, get_type_hints, runtime_checkable

import strawberry

from datastore import schema as tables
from datastore.errors import ForbiddenError, UnauthenticatedError
from datastore.reading import IdentityReader, Reader
from datastore.scope import Role, Scope
from datastore.sealing import Sealer
from datastore.writing import IdentityWriter, Writer
from resolvers.outside import Outside
from resolvers.scheduling import ActionFunction, schedule_action
from resolvers.services import Services
from resolvers.storage import Storage
from resolvers.usage import Sharing, Usage

MARK = "__tillstream__"
COLUMNS = "columns"
Function = TypeVar("Function", bound=Callable[..., Awaitable[Any]])
T = TypeVar("T")


class Kind(Enum):
    """What a function may do."""

    QUERY = "query"
    MUTATION = "mutation"
    IDENTITY_QUERY = "identity query"
    IDENTITY_MUTATION = "identity mutation"
    PROCEDURE = "procedure"

    @property
    def writes(self) -> bool:
        """Whether functions of this kind change something: they are fields of `Mutation`."""
        return self in {Kind.MUTATION, Kind.IDENTITY_MUTATION, Kind.PROCEDURE}


@dataclass(frozen=True, slots=True)
class Marking:
    """What a decorator says of a function: its kind, whether somebody who is not signed in may call it, whether it waits for its turn,
    whether others then come along, and whether somebody may call it whose e-mail address is not confirmed yet.
    """

    kind: Kind
    public: bool = False
    in_turn: bool = False
    in_group: bool = False
    pending: bool = False


@dataclass(frozen=True, slots=True)
class QueryContext:
    """Reads of the caller's account, all on one snapshot.

    Whoever is asked for less of the caller can share more: `db` alone gives the whole account one execution of a live query, `role` one for
    each role, `scope` one for each person. Where the table of a read tells roles apart, `db` notes that by itself.
    """

    db: Reader
    caller: Scope
    instant: datetime
    usage: Usage
    storage: Storage
    """What is known of the file store without asking it."""
    sealer: Sealer
    """Opens what rows hold sealed."""

    @property
    def account_id(self) -> str:
        """The account whose rows `db` reads."""
        return self.caller.account_id

    @property
    def role(self) -> Role:
        """What the caller may do in the account."""
        self.usage.reads_caller(Sharing.ROLE)
        return self.caller.role

    @property
    def scope(self) -> Scope:
        """Who the caller is."""
        self.usage.reads_caller(Sharing.PERSON)
        return self.caller

    @property
    def session_id(self) -> str | None:
        """The session that the caller came with; None where it was none."""
        self.usage.reads_caller(Sharing.SESSION)
        return self.caller.session_id

    def today(self, time_zone: str) -> date:
        """The day that it is in a time zone (IANA name): the only clock that a query may read. A live query runs again at its midnight."""
        return self.usage.today(self.instant, time_zone)


@dataclass(frozen=True, slots=True)
class MutationContext:
    """Reads and writes of the caller's account, in one transaction, which is retried as a whole on conflict: run nothing here that must
    run once.
    """

    scope: Scope
    db: Writer
    now: datetime
    address: str = ""
    """The network address that the caller's request came from; empty where nobody's request is carried out."""

    @property
    def for_business(self) -> Self:
        """The same mutation with a writer that does as the business itself (`Writer.for_business`), for the same person."""
        return replace(self, db=self.db.for_business)

    async def schedule(self, action: ActionFunction, arguments: Mapping[str, Any], at: datetime | None = None) -> tables.Job:
        """Has an action carried out if this transaction commits: at a moment, or as soon as it can be.

        `arguments` are those of the action, plain values that JSON holds. It runs with the rights that the caller then has.
        """
        return await schedule_action(self.db, action, arguments, self.now, at)


@dataclass(frozen=True, slots=True)
class IdentityQueryContext:
    """Reads of users and sessions, on the same snapshot as the account's rows.

    `caller` is None where nobody is signed in. `reader` gives the account's rows to who is.
    """

    caller: Scope | None
    identity: IdentityReader
    reader: Callable[[Scope], Reader]
    instant: datetime
    usage: Usage
    services: Services

    @property
    def scope(self) -> Scope:
        """The caller; raises UnauthenticatedError where nobody is signed in."""
        return signed_in(self.caller)


@dataclass(frozen=True, slots=True)
class IdentityMutationContext:
    """Reads and writes of users and sessions, and of the accounts that `writer` is given a scope for, in one transaction.

    `committed` reads outside the transaction (which starts with its first own read or write): what takes long, such as verifying a
    password, goes before it.
    """

    caller: Scope | None
    identity: IdentityWriter
    writer: Callable[[Scope], Writer]
    committed: IdentityReader
    now: datetime
    services: Services
    user_agent: str
    address: str = ""
    """The network address that the caller's request came from; empty where nobody's request is carried out."""
    done_once: dict[str, Any] = dataclass_field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        """The caller; raises UnauthenticatedError where nobody is signed in, ForbiddenError before their address is confirmed."""
        return signed_in(self.caller)

    @property
    def scope_even_pending(self) -> Scope:
        """The caller, even before their address is confirmed; raises UnauthenticatedError where nobody is signed in."""
        return signed_in(self.caller, pending=True)

    async def once(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, done once however often the transaction is run again: counting a try, hashing a password.

        It is done outside the transaction, and so belongs before its first read.
        """
        if name not in self.done_once:
            self.done_once[name] = await work()
        return cast("T", self.done_once[name])

    async def schedule(self, scope: Scope, action: ActionFunction, arguments: Mapping[str, Any], at: datetime | None = None) -> tables.Job:
        """As `MutationContext.schedule`, for the person and the account of a scope."""
        return await schedule_action(self.writer(scope), action, arguments, self.now, at)


@dataclass(frozen=True, slots=True)
class ProcedureContext:
    """What a procedure may do for the client that waits for it: reach what is outside, and carry out queries and mutations.

    It has no database. What it has committed stays, also where it fails afterwards.
    """

    scope: Scope
    now: datetime
    outside: Outside
    contexts: "Contexts"
    place: str

    async def query(self, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """What a function that reads returns."""
        return await function(self.contexts.query_context(marking_by_context(function)), **arguments)

    async def mutate(self, function: Callable[..., Awaitable[T]], /, **arguments: Any) -> T:
        """Carries out a mutation as one transaction; sent again with the same idempotency key, it gives its first result again.

        That holds for results that can be kept: rows as the API shows them, plain dictionaries.
        """
        result: T = await self.contexts.mutate(function, marking_by_context(function), arguments, f"{self.place}/{function.__name__}")
        return result


@runtime_checkable
class SignedIn(Protocol):
    """The result of a mutation that signs somebody in: the rest of the request is done as them."""

    @property
    def scope(self) -> Scope | None:
        """Who was signed in; None where nobody was."""


class Contexts(Protocol):
    """What carries out functions: `resolvers.runs.Run`, which the wire makes anew for each execution."""

    def query_context(self, marking: Marking) -> QueryContext | IdentityQueryContext:
        """The context of a function that reads."""

    async def mutate(self, function: Callable[..., Awaitable[Any]], marking: Marking, arguments: dict[str, Any], response_key: str) -> Any:
        """Carries out a mutation as one transaction."""


def signed_in(scope: Scope | None, *, pending: bool = False) -> Scope:
    """The scope, or UnauthenticatedError where there is none; ForbiddenError for one that is `pending`, unless such are let in."""
    if scope is None:
        raise UnauthenticatedError
    if scope.pending and not pending:
        raise ForbiddenError("Confirm your e-mail address first, with the code that was sent to it.")
    return scope


def query(function: Function) -> Function:
    """Marks a read of the caller's account; it can be live."""
    return _mark(function, Marking(Kind.QUERY))


def mutation(function: Function) -> Function:
    """Marks a transaction on the caller's account."""
    return _mark(function, Marking(Kind.MUTATION))


def mutation_in_turn(function: Function) -> Function:
    """Marks a transaction on the caller's account that would collide with others of its kind there, by a gapless number or a total.

    In one process those of one account run one after the other (`datastore/turns.py`). Raises UnavailableError after 20 s in line.
    """
    return _mark(function, Marking(Kind.MUTATION, in_turn=True))


def mutation_in_group(function: Function) -> Function:
    """Marks a mutation in turn of which those that wait right behind each other are one transaction (`datastore/group_commit.py`).

    Its writes may then be sent late, on a `BulkWriter`. What it returns may show rows that it made, but not rows that it changed: when that
    was is only known when they are sent.
    """
    return _mark(function, Marking(Kind.MUTATION, in_turn=True, in_group=True))


def identity_query(function: Function) -> Function:
    """Marks a read of users or sessions; it can be live, and decides itself what it tells who is not signed in."""
    return _mark(function, Marking(Kind.IDENTITY_QUERY))


def identity_mutation(*, public: bool = False, pending: bool = False) -> Callable[[Function], Function]:
    """Marks a transaction on users or sessions; a public one takes callers who are not signed in, a pending one those whose e-mail
    address is not confirmed yet.
    """
    return lambda function: _mark(function, Marking(Kind.IDENTITY_MUTATION, public, pending=pending))


def procedure(function: Function) -> Function:
    """Marks a change that needs what is outside while the client waits for it, and is therefore no single transaction: use it only where an
    action (`resolvers/actions.py`), which is carried out even if this process dies, will not do.
    """
    return _mark(function, Marking(Kind.PROCEDURE))


def field(*, columns: Sequence[str] | None = None, pending: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Marks a method of a GraphQL type, `async def name(self, ctx: QueryContext, …)`, as a nested field that reads.

    Its reads join the snapshot and the read set of the run, and are batched with those of its siblings. `columns` are all those that it
    uses of its own row; None: any. A `pending` one is told to callers whose e-mail address is not confirmed yet, who have no rows.
    """
    metadata = shows(*columns) if columns is not None else {}
    return lambda function: strawberry.field(
        resolver=_as_resolver(function, Marking(Kind.QUERY, pending=pending), method=True),
        description=inspect.getdoc(function),
        metadata=metadata,
    )


def shows(*columns: str) -> dict[str, Sequence[str]]:
    """The metadata of a field that is made of these columns of its row; without it, a field shows the column of its own name."""
    return {COLUMNS: columns}


def root_field(function: Callable[..., Awaitable[Any]]) -> Any:
    """The field of `Query` or `Mutation` that a marked function becomes; its docstring describes it in the schema."""
    marking = marking_of(function)
    if marking is None:
        msg = f"{function.__module__}.{function.__name__} carries no mark of a kind of function"
        raise TypeError(msg)
    description = inspect.getdoc(function)
    return strawberry.field(resolver=_as_resolver(function, marking, method=False), description=description, name=None)


def marking_of(function: object) -> Marking | None:
    """The mark a decorator of this module left, or None."""
    marking = getattr(function, MARK, None)
    return marking if isinstance(marking, Marking) else None


def marking_by_context(function: Callable[..., Any]) -> Marking:
    """The mark of a function, or, where it has none because it is internal, what its context's type says of it. Mutations take turns."""
    marking = marking_of(function)
    if marking is not None:
        return marking
    context = next(iter(get_type_hints(function).values()))
    return _INTERNAL[context]


_INTERNAL: Final[dict[type, Marking]] = {
    QueryContext: Marking(Kind.QUERY),
    MutationContext: Marking(Kind.MUTATION, in_turn=True),
    IdentityQueryContext: Marking(Kind.IDENTITY_QUERY),
    IdentityMutationContext: Marking(Kind.IDENTITY_MUTATION),
}


def _mark(function: Function, marking: Marking) -> Function:
    if not inspect.iscoroutinefunction(function):
        msg = f"{function} must be an async function"
        raise TypeError(msg)
    setattr(function, MARK, marking)
    return cast("Function", function)


def _as_resolver(function: Callable[..., Any], marking: Marking, *, method: bool) -> Callable[..., Any]:
    """A Strawberry resolver with the function's own arguments, `info` standing where the context stood."""
    if marking.kind.writes:

        async def resolver(info: strawberry.Info, **arguments: Any) -> Any:
            contexts = cast("Contexts", info.context)
            return await contexts.mutate(function, marking, arguments, str(info.path.key))

    elif method:

        async def resolver(self: Any, info: strawberry.Info, **arguments: Any) -> Any:  # type: ignore[misc]
            return await function(self, cast("Contexts", info.context).query_context(marking), **arguments)

    else:

        async def resolver(info: strawberry.Info, **arguments: Any) -> Any:
            return await function(cast("Contexts", info.context).query_context(marking), **arguments)

    return _with_signature_of(function, resolver, context_position=1 if method else 0)


def _with_signature_of(function: Callable[..., Any], resolver: Callable[..., Any], context_position: int) -> Callable[..., Any]:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    context = parameters[context_position].name
    parameters[context_position] = inspect.Parameter("info", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=strawberry.Info)
    resolver.__name__, resolver.__qualname__, resolver.__module__ = function.__name__, function.__qualname__, function.__module__
    resolver.__doc__ = function.__doc__
    resolver.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    resolver.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name != context} | {
        "info": strawberry.Info
    }
    return resolver
