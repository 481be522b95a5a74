"""The events of `Subscription.changes`, each of which is then executed by itself (GraphQL specification, "Source Stream")."""

import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    create_source_event_stream,
)
from graphql.execution import Executor

from datastore.changes import Change as StoredChange
from datastore.cursors import Cursors
from datastore.feed import Position
from datastore.scope import Scope
from gql.documents import PreparedOperation
from gql.errors import format_errors
from gql.feed import Feed, Follower
from gql.live import LiveEngine
from gql.wire import RequestRefused
from resolvers.changes import Change

CHANGES: Final = "changes"


class Following:
    """The context value of one such subscription (`resolvers.changes.Followed`)."""

    def __init__(self, engine: LiveEngine[Any], feed: Feed, cursors: Cursors, scope: Scope | None, *, hide_suggestions: bool) -> None:
        self.hide_suggestions = hide_suggestions
        self._engine = engine
        self._feed = feed
        self.cursors = cursors
        self.scope = scope

    async def follow(self, scope: Scope, after: Position | None) -> AsyncGenerator[StoredChange, None]:
        """All changes of the scope's account behind a position, or from now on, for as long as its session gives the scope."""
        follower = Follower(scope)
        async with self._engine.attended(follower, scope), aclosing(self._feed.follow(follower, after)) as changes:
            async for change in changes:
                yield change


def follows_changes(document: DocumentNode) -> bool:
    """Whether the one root field of a valid subscription is `changes`; `document` holds one operation and fragments."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    selection: Any = next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    while not isinstance(selection, FieldNode):
        if isinstance(selection, FragmentSpreadNode):
            selection = fragments[selection.name.value]
        assert isinstance(selection, (OperationDefinitionNode, FragmentDefinitionNode, InlineFragmentNode))  # noqa: S101  no other kinds
        selection = selection.selection_set.selections[0]
    return selection.name.value == CHANGES


async def change_events(
    schema: GraphQLSchema, operation: PreparedOperation, variables: dict[str, Any] | None, following: Following, request_id: str
) -> AsyncGenerator[Change, None]:
    """The changes that a subscription asks for. Raises RequestRefused for arguments that can't be, and errors that end the following."""
    executor = Executor.build(
        schema,
        operation.document,
        context_value=following,
        raw_variable_values=variables,
        operation_name=operation.name,
        hide_suggestions=following.hide_suggestions,
    )
    if isinstance(executor, list):
        raise RequestRefused(format_errors(executor, request_id))
    created = create_source_event_stream(executor)
    stream = await created if inspect.isawaitable(created) else created
    if isinstance(stream, ExecutionResult):
        raise RequestRefused(format_errors(stream.errors or (), request_id))
    async with aclosing(cast("AsyncGenerator[Change, None]", stream)) as changes:
        async for change in changes:
            yield change
