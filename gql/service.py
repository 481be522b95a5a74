"""Carries out GraphQL operations for whichever transport they came by: prepares documents, authenticates, executes, watches.

Documents are parsed and validated once and kept (`prepare`); an execution gets a context of its own (`resolvers.runs.Run`), which is what
keeps one run's snapshot and batches from leaking into another's, also on a socket that carries many operations.
"""

import inspect
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import orjson
import strawberry
from graphql import ExecutionResult
from graphql import execute as execute_document

from datastore.database import SnapshotLostError
from datastore.errors import TillstreamError, UnauthenticatedError, UnavailableError
from datastore.rate_limits import Limit
from datastore.reading import IdentityReader, Snapshot
from datastore.scope import Scope
from datastore.settings import Settings
from datastore.versions import BEGINNING, Version, to_wire
from gql.budgets import Budget
from gql.change_events import Following, change_events, follows_changes
from gql.cost import check_cost, evaluate
from gql.documents import Documents, PreparedOperation, hides_suggestions, tells_everybody
from gql.errors import describe, encode_errors, format_errors, http_status
from gql.feed import Feed
from gql.known import known_of
from gql.live import LiveEngine
from gql.live_contracts import Outcome
from gql.persisted import PersistedDocuments
from gql.rights import Authorization
from gql.subscribers import Frame
from gql.wire import NOBODY, Caller, GraphQLParams, Payload, RequestRefused
from resolvers.auth import authenticate, authorization_of_session
from resolvers.limits import MINUTE, network_of
from resolvers.runs import Run
from resolvers.services import Services
from resolvers.usage import Sharing

HOPELESS_CODES = {"UNAUTHENTICATED", "FORBIDDEN", "INVALID_INPUT", "TOO_COMPLEX"}
"""A live operation whose first result is nothing but these errors will never have another."""

CHARACTERS_FOR_A_VALUE = 4
"""So much of a document takes as long to check, at worst, as one value takes to be told."""

_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class LivePlan:
    """A live operation for one caller."""

    operation: PreparedOperation
    variables: dict[str, Any]
    shape: tuple[str, str | None, str]
    """What tells operations apart, whoever asks: the document in its normal form, the operation's name, its variables."""
    scope: Scope | None

    @classmethod
    def of(cls, operation: PreparedOperation, params: GraphQLParams, scope: Scope | None) -> "LivePlan":
        """The plan of an operation that somebody wants to watch."""
        variables = {name: value for name, value in (params.variables or {}).items() if name in operation.variable_names}
        # As text: the bytes that orjson gives keep the kilobytes that it wrote them into, for as long as somebody watches.
        encoded = orjson.dumps(variables, option=orjson.OPT_SORT_KEYS).decode()
        return cls(operation, variables, (operation.text, operation.name, encoded), scope)

    def key(self, sharing: Sharing) -> Hashable:
        """Who shares a run that reads no more of its caller than `sharing` says."""
        if self.scope is None:
            return self.shape
        account = (self.shape, self.scope.account_id)
        if sharing is Sharing.ACCOUNT:
            return account
        if sharing is Sharing.ROLE:
            return (*account, self.scope.role)
        person = (*account, self.scope.role, self.scope.user_id)
        return person if sharing is Sharing.PERSON else (*person, self.scope.session_id)


class GraphQLService:
    """The schema, carried out on the services of one process (`gql.wire.Service`)."""

    def __init__(self, schema: strawberry.Schema, services: Services, engine: LiveEngine[LivePlan] | None = None) -> None:
        self._schema = schema._schema  # noqa: SLF001  Strawberry's compiled graphql-core schema has no public name
        self._services = services
        self._documents = Documents(self._schema, services.settings)
        self._persisted = PersistedDocuments.of(services.settings)
        self._hide_suggestions = hides_suggestions(services.settings)
        self._tells_everybody = tells_everybody(services.settings)
        self.engine = engine
        self._budget = Budget(Limit(services.settings.max_cost_per_minute, MINUTE))
        self._anonymous_budget = _anonymous_budget(services.settings)
        self.feed = Feed(services.database)
        """What `changes` follows; it must be among the engine's listeners."""

    def prepare(self, params: GraphQLParams, caller: Caller = NOBODY) -> PreparedOperation:
        """The parsed and validated operation; raises RequestRefused with formatted errors.

        A document that is new here costs its caller as much as some values do; RateLimitedError where that is too much for now.
        """

        def charge(length: int) -> None:
            self._spend(caller, length // CHARACTERS_FOR_A_VALUE)

        operation = self._documents.prepare(self._persisted.text_of(params), params.operation_name, charge)
        self._persisted.register(params)
        return operation

    async def authenticate(self, authorization: str | None) -> Scope | None:
        """Whose `Authorization: Bearer …` this is; None without one; raises UnauthenticatedError for a bad or ended one."""
        if authorization is None or not authorization.strip():
            return None
        token = authorization.strip()
        if token.lower().startswith(_BEARER):
            token = token[len(_BEARER) :].strip()
        return await authenticate(self._services, token)

    async def authorize_session(self, session_id: str, floor: Version) -> Authorization | None:
        """What a session gives at a moment not before `floor`; None where it has ended."""
        identity = IdentityReader(Snapshot(self._services.database, floor))
        found = await authorization_of_session(self._services, identity, session_id)
        return None if found is None else Authorization(*found)

    async def execute(self, operation: PreparedOperation, params: GraphQLParams, caller: Caller) -> Payload:
        """Carries out a query or a mutation; every failure is an error inside the payload."""
        try:
            cost = self._admit(operation, params, caller)
            if not caller.just_authenticated:
                await self._confirm(caller.principal)
        except TillstreamError as error:
            return Payload(body=encode_errors([describe(error)]), has_data=False, status=http_status([describe(error)], executed=False))
        run, result = await self._execute_once(operation, params, caller)
        if operation.kind == "query" and _lost_its_snapshot(result):
            run, result = await self._execute_once(operation, params, caller)
        response = self._response(result, caller.request_id)
        response["extensions"] = {"cost": {"values": cost, "limit": self._services.settings.max_query_cost}}
        if run.committed is not None:
            response["extensions"]["version"] = to_wire(run.committed)
            self.committed(run.committed)
        status = http_status(response.get("errors", []), executed="data" in response)
        return Payload(body=orjson.dumps(response), has_data=result.data is not None, status=status)

    def committed(self, version: Version) -> None:
        """Notes what this process has committed: whoever subscribes afterwards sees it in the first result."""
        if self.engine is not None:
            self.engine.committed(version)

    async def _execute_once(self, operation: PreparedOperation, params: GraphQLParams, caller: Caller) -> tuple[Run, ExecutionResult]:
        run = Run(
            self._services,
            caller.principal,
            idempotency_key=caller.idempotency_key,
            user_agent=caller.user_agent,
            address=caller.address,
        )
        return run, await self._run(operation, params.variables, run, root=None)

    def _admit(self, operation: PreparedOperation, params: GraphQLParams, caller: Caller) -> int:
        """How many values the result may have, which the caller's budget must have left.

        Raises TooComplexError where these are too many for one operation, RateLimitedError where they are for now, UnauthenticatedError
        where the schema is asked for by somebody whom it is not told.
        """
        if operation.introspects and caller.principal is None and not self._tells_everybody:
            raise UnauthenticatedError("Sign in first: the schema is told to nobody else here.")
        cost = evaluate(operation.cost, params.variables or {})
        check_cost(cost, self._services.settings.max_query_cost)
        self._spend(caller, cost)
        return cost

    def _spend(self, caller: Caller, cost: int) -> None:
        if caller.principal is not None:
            self._budget.spend(caller.principal.user_id, cost)
        elif caller.address and self._anonymous_budget is not None:
            self._anonymous_budget.spend(network_of(caller.address), cost)

    async def _confirm(self, scope: Scope | None) -> None:
        """Raises UnauthenticatedError where the session has ended, changed or expired since its socket was opened."""
        if scope is None or scope.session_id is None:
            return
        authorization = await self.authorize_session(scope.session_id, BEGINNING)
        if authorization is None or authorization.scope != scope:
            raise UnauthenticatedError("The session has ended; sign in again.")
        if authorization.until <= self._services.clock():
            raise UnauthenticatedError("The access token has expired; refresh the session.")

    async def subscribe(self, operation: PreparedOperation, params: GraphQLParams, caller: Caller) -> AsyncGenerator[Payload, None]:
        """Watches a live operation: its results, newest only; an error that ends it is the last payload."""
        if self.engine is None:
            msg = "this service was made without a live engine"
            raise RuntimeError(msg)
        try:
            self._admit(operation, params, caller)
            if follows_changes(operation.document):
                async with aclosing(self._changes(self.engine, operation, params, caller)) as payloads:
                    async for payload in payloads:
                        yield payload
                return
            known = known_of(operation.known, params.variables)
            plan = LivePlan.of(operation, params, caller.principal)
            network = network_of(caller.address) if caller.address else None
            async with aclosing(self.engine.watch(plan, known, caller.push, network)) as frames:
                async for frame in frames:
                    yield _payload(frame)
        except TillstreamError as error:
            yield Payload(body=encode_errors([describe(error)]), has_data=False, final=True)
        except RequestRefused as refused:
            yield Payload(body=encode_errors(refused.errors), has_data=False, final=True)

    async def _changes(
        self, engine: LiveEngine[LivePlan], operation: PreparedOperation, params: GraphQLParams, caller: Caller
    ) -> AsyncGenerator[Payload, None]:
        """The results of `changes`: each of them executed by itself, on a snapshot not older than its change."""
        following = Following(engine, self.feed, self._services.cursors, caller.principal, hide_suggestions=self._hide_suggestions)
        events = change_events(self._schema, operation, params.variables, following, caller.request_id)
        async with aclosing(events) as changes:
            async for change in changes:
                run = Run(self._services, caller.principal, floor=change.stored.time)
                result = await self._run(operation, params.variables, run, root=change)
                _raise_unavailable(result)
                yield Payload(body=orjson.dumps(self._response(result, caller.request_id)), has_data=result.data is not None)

    async def execute_live(self, plan: LivePlan, floor: Version) -> Outcome:
        """One run of a live operation on one snapshot not older than `floor`, in a context of its own."""
        run = Run(self._services, plan.scope, floor=floor)
        result = await self._run(plan.operation, plan.variables, run, root=_LiveRoot())
        _raise_unavailable(result)
        response = self._response(result, request_id="live")
        run.read_set.selected = plan.operation.columns
        codes = {error["extensions"]["code"] for error in response.get("errors", [])}
        return Outcome(
            body=orjson.dumps(response),
            has_data=result.data is not None,
            version=run.version,
            read_set=run.read_set,
            final=result.data is None and codes <= HOPELESS_CODES,
            sharing=run.usage.sharing_of(run.read_set),
            until=run.usage.until,
        )

    async def _run(self, operation: PreparedOperation, variables: dict[str, Any] | None, run: Run, root: object) -> ExecutionResult:
        result = execute_document(
            self._schema,
            operation.document,
            root_value=root,
            context_value=run,
            variable_values=variables,
            operation_name=operation.name,
            hide_suggestions=self._hide_suggestions,
        )
        return await result if inspect.isawaitable(result) else result

    def _response(self, result: ExecutionResult, request_id: str) -> dict[str, Any]:
        """The response object: without `data` where execution did not begin, as with variables of a wrong type."""
        response: dict[str, Any] = {"data": result.data} if _began(result) else {}
        if result.errors:
            response["errors"] = format_errors(result.errors, request_id)
        return response


def _anonymous_budget(settings: Settings) -> Budget | None:
    limit = Limit(settings.max_anonymous_cost_per_minute, MINUTE)
    return Budget(limit.times(settings.address_limits)) if settings.address_limits > 0 else None


class _LiveRoot:
    """The event each live run is executed for: it carries nothing, for the resolvers of `Query` take all they need from their context."""


def _began(result: ExecutionResult) -> bool:
    """Whether any field was executed: an error of a request that was refused before has no path in the result."""
    return result.data is not None or any(error.path is not None for error in result.errors or ())


def _lost_its_snapshot(result: ExecutionResult) -> bool:
    """Whether an election or the snapshot's age came between two reads: a fresh snapshot has a good chance."""
    return any(isinstance(error.original_error, SnapshotLostError) for error in result.errors or ())


def _raise_unavailable(result: ExecutionResult) -> None:
    """A server that does not answer is no result to show: the engine keeps the last one and tries again."""
    for error in result.errors or ():
        if isinstance(error.original_error, UnavailableError):
            raise error.original_error


def _payload(frame: Frame) -> Payload:
    return Payload(body=frame.payload, has_data=frame.has_data, final=frame.final)
