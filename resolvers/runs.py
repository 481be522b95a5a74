"""One execution of one operation: makes the contexts that its functions receive, and carries out its mutations.

The wire makes a `Run` for every request and for every re-run of a live operation, and drops it afterwards: its snapshot, its batches and
its read set never serve another.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from datastore.read_set import ReadSet
from datastore.reading import IdentityReader, Reader, Snapshot
from datastore.scope import Scope
from datastore.transactions import Transaction, run_transaction
from datastore.versions import BEGINNING, Version
from datastore.writing import IdentityWriter, Writer
from resolvers.functions import (
    IdentityMutationContext,
    IdentityQueryContext,
    Kind,
    Marking,
    MutationContext,
    QueryContext,
    SignedIn,
    signed_in,
)
from resolvers.idempotency import Replays
from resolvers.services import Services
from resolvers.usage import Sharing, Usage


class Run:
    """The context value of one GraphQL execution.

    `scope` is the caller, None where nobody is signed in; reads are on one snapshot not older than `floor`, made afresh after each
    mutation.
    """

    def __init__(
        self,
        services: Services,
        scope: Scope | None,
        *,
        floor: Version = BEGINNING,
        idempotency_key: str | None = None,
        user_agent: str | None = None,
    ) -> None:
        self._services = services
        self._scope = scope
        self._now = services.clock()
        self._idempotency_key = idempotency_key
        self._user_agent = user_agent or ""
        self.committed: Version | None = None
        self.usage = Usage()
        self._read_from(floor)

    @property
    def version(self) -> Version:
        """The moment that everything was read at; the floor, where nothing was read."""
        return self._snapshot.version or self._floor

    @property
    def read_set(self) -> ReadSet:
        """What has been read since the run began, or since its last mutation."""
        return self._snapshot.read_set

    def query_context(self, marking: Marking) -> QueryContext | IdentityQueryContext:
        """The context of a function that reads; raises UnauthenticatedError where it takes nobody but who is signed in."""
        if marking.kind is Kind.QUERY:
            scope = signed_in(self._scope)
            return QueryContext(db=self._reader_of(scope), caller=scope, instant=self._now, usage=self.usage)
        self.usage.reads_caller(Sharing.PERSON)
        return IdentityQueryContext(
            caller=self._scope,
            identity=self._identity,
            reader=self._reader_of,
            instant=self._now,
            usage=self.usage,
            services=self._services,
        )

    async def mutate(self, function: Callable[..., Awaitable[Any]], marking: Marking, arguments: dict[str, Any], response_key: str) -> Any:
        """Carries out a mutation as one transaction, or gives the first result again where its idempotency key was used before."""
        if not marking.public:
            signed_in(self._scope)
        replays = Replays.of(self._idempotency_key, response_key, self._scope, function, arguments)

        async def body(transaction: Transaction) -> Any:
            if replays is None:
                return await function(self._mutation_context(transaction, marking), **arguments)
            return await replays.carry_out(
                transaction,
                lambda: function(self._mutation_context(transaction, marking), **arguments),
                self._now,
            )

        async with self._turn(marking):
            committed = await run_transaction(self._services.database, body)
        if committed.version is not None:
            self.committed = committed.version
        if isinstance(committed.value, SignedIn):
            self._scope = committed.value.scope
        self._read_from(committed.version or self._floor)
        return committed.value

    def _turn(self, marking: Marking) -> AbstractAsyncContextManager[None]:
        return self._services.turns.turn(signed_in(self._scope).account_id) if marking.in_turn else nullcontext()

    def _read_from(self, floor: Version) -> None:
        self._floor = floor
        self._snapshot = Snapshot(self._services.database, floor)
        self._identity = IdentityReader(self._snapshot)

    def _reader_of(self, scope: Scope) -> Reader:
        return Reader(self._snapshot, scope, self._services.cursors)

    def _mutation_context(self, transaction: Transaction, marking: Marking) -> MutationContext | IdentityMutationContext:
        if marking.kind is Kind.MUTATION:
            scope = signed_in(self._scope)
            return MutationContext(scope=scope, db=Writer(transaction, scope), now=self._now)
        return IdentityMutationContext(
            caller=self._scope,
            identity=IdentityWriter(transaction),
            writer=lambda scope: Writer(transaction, scope),
            committed=IdentityReader(Snapshot(self._services.database)),
            now=self._now,
            services=self._services,
            user_agent=self._user_agent,
        )
