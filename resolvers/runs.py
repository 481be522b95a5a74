"""One execution of one operation: makes the contexts that its functions receive, and carries out its mutations.

The wire makes a `Run` for every request and for every re-run of a live operation, and drops it afterwards: its snapshot, its batches and
its read set never serve another.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from typing import Any

from datastore.group_commit import Mutation, carry_out
from datastore.read_set import ReadSet
from datastore.reading import IdentityReader, Reader, Snapshot
from datastore.scope import Scope
from datastore.transactions import Committed, Transaction, run_transaction
from datastore.versions import BEGINNING, Version
from datastore.writing import IdentityWriter, Writer
from resolvers.functions import (
    IdentityMutationContext,
    IdentityQueryContext,
    Kind,
    Marking,
    MutationContext,
    ProcedureContext,
    QueryContext,
    SignedIn,
    signed_in,
)
from resolvers.idempotency import Replays
from resolvers.limits import Asking, limited
from resolvers.services import Services
from resolvers.usage import Sharing, Usage

_Body = Callable[[MutationContext | IdentityMutationContext, Writer | None], Awaitable[Any]]
"""A mutation in its context; the writer is the one of the caller's account, where there is one."""


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
        address: str = "",
    ) -> None:
        self._services = services
        self._scope = scope
        self._now = services.clock()
        self._idempotency_key = idempotency_key
        self._user_agent = user_agent or ""
        self._address = address
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
            scope = signed_in(self._scope, pending=marking.pending)
            return QueryContext(
                db=self._reader_of(scope),
                caller=scope,
                instant=self._now,
                usage=self.usage,
                storage=self._services.outside.storage,
                sealer=self._services.outside.sealer,
            )
        self.usage.reads_caller(Sharing.PERSON)
        return IdentityQueryContext(
            caller=None if self._scope is None else signed_in(self._scope),
            identity=self._identity,
            reader=self._reader_of,
            instant=self._now,
            usage=self.usage,
            services=self._services,
        )

    async def mutate(self, function: Callable[..., Awaitable[Any]], marking: Marking, arguments: dict[str, Any], response_key: str) -> Any:
        """Carries out a mutation as one transaction, or gives the first result again where its idempotency key was used before."""
        if marking.kind is Kind.PROCEDURE:
            ctx = ProcedureContext(signed_in(self._scope), self._now, self._services.outside, self, response_key)
            async with self._limited(function, arguments):
                return await function(ctx, **arguments)
        if not marking.public:
            signed_in(self._scope, pending=marking.pending)
        replays = Replays.of(self._idempotency_key, response_key, self._confirmed, function, arguments, self._services.digests)

        async def body(context: MutationContext | IdentityMutationContext, db: Writer | None) -> Any:
            if replays is None or db is None:
                return await function(context, **arguments)
            return await replays.carry_out(db, lambda: function(context, **arguments), self._now)

        async with self._limited(function, arguments):
            committed = await self._carried_out(marking, body)
        if committed.version is not None:
            self.committed = committed.version
        if isinstance(committed.value, SignedIn) and committed.value.scope is not None:
            self._scope = committed.value.scope
        self._read_from(committed.version or self._floor)
        return committed.value

    def _limited(self, function: Callable[..., Awaitable[Any]], arguments: dict[str, Any]) -> AbstractAsyncContextManager[None]:
        """Raises RateLimitedError where the caller has done this too often."""
        asking = Asking(self._scope, self._address, arguments)
        return limited(self._services.limiter, self._services.settings.address_limits, function.__name__, asking)

    async def _carried_out(self, marking: Marking, body: _Body) -> Committed[Any]:
        """What a body returns, with the version of what it changed; it runs as the marking says."""
        services = self._services
        done_once: dict[str, Any] = {}

        async def owned(db: Writer) -> Any:
            return await body(MutationContext(scope=db.scope, db=db, now=self._now, address=self._address), db)

        async def transact(transaction: Transaction) -> Any:
            if marking.kind is Kind.MUTATION:
                return await owned(Writer(transaction, signed_in(self._scope), self._address))
            db = None if self._confirmed is None else Writer(transaction, self._confirmed, self._address)
            return await body(self._identity_context(transaction, done_once), db)

        if marking.in_group:
            scope = signed_in(self._scope)
            mutation = Mutation(scope, owned, self._address)
            return await services.turns.together(scope.account_id, mutation, partial(carry_out, services.database))
        async with services.turns.turn(signed_in(self._scope).account_id) if marking.in_turn else nullcontext():
            return await run_transaction(services.database, transact)

    @property
    def _confirmed(self) -> Scope | None:
        """The caller, where they have an account."""
        return None if self._scope is None or self._scope.pending else self._scope

    def _read_from(self, floor: Version) -> None:
        self._floor = floor
        self._snapshot = Snapshot(self._services.database, floor)
        self._identity = IdentityReader(self._snapshot)

    def _reader_of(self, scope: Scope) -> Reader:
        return Reader(self._snapshot, scope, self._services.cursors, self.usage)

    def _identity_context(self, transaction: Transaction, done_once: dict[str, Any]) -> IdentityMutationContext:
        return IdentityMutationContext(
            caller=self._scope,
            identity=IdentityWriter(transaction),
            writer=lambda scope: Writer(transaction, scope, self._address),
            committed=IdentityReader(Snapshot(self._services.database)),
            now=self._now,
            services=self._services,
            user_agent=self._user_agent,
            address=self._address,
            done_once=done_once,
        )
