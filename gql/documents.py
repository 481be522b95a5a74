"""Documents, parsed and validated once: a cache keyed by their text, so that a repeated query costs neither.

Parsing and validating are half of a request's CPU where they are not kept. The cache holds refusals too, and is bounded by entries and by
the length of a text, so that a hostile caller can't fill the memory.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    Visitor,
    parse,
    print_ast,
    specified_rules,
    validate,
    visit,
)

from datastore.errors import TooComplexError
from datastore.settings import Settings
from gql.columns import Columns, columns_selected
from gql.cost import INTROSPECTION, Cost, cost_of, evaluate
from gql.depth import check_depth, check_repeats
from gql.errors import format_errors
from gql.known import without_known
from gql.wire import RequestRefused
from resolvers.nodes import tables_by_type

MAX_DOCUMENTS = 1000
MAX_CACHED_TEXT = 64 * 1024
MAX_ERRORS = 20

_TOO_MUCH = ("Syntax Error: Document contains more than", "Syntax Error: Document is nested too deeply")
"""How graphql-core's parser says that a limit was passed."""

OperationKind = Literal["query", "mutation", "subscription"]


@dataclass(frozen=True, slots=True)
class PreparedOperation:
    """One operation of a document that has been validated against the schema.

    `text` is the document in its normal form: equal for clients whose documents differ in white space alone.
    """

    document: DocumentNode
    kind: OperationKind
    name: str | None
    text: str
    variable_names: frozenset[str]
    columns: Columns
    """What it selects of the rows that it is shown (`gql.columns`)."""
    cost: Cost
    """How many values its result may have (`gql.cost`)."""
    introspects: bool
    """Whether it asks for the schema."""
    known: ArgumentNode | None
    """The argument `known` of a live operation, which is left out of `text` and of what is executed: it is about the caller alone."""


@dataclass(frozen=True, slots=True)
class _Document:
    operations: dict[str | None, PreparedOperation]
    errors: list[GraphQLError]


class Documents:
    """The documents of one schema."""

    def __init__(self, schema: GraphQLSchema, settings: Settings) -> None:
        self._schema = schema
        self._max_tokens = settings.max_query_tokens
        self._rules = [*specified_rules, NoSchemaIntrospectionCustomRule] if settings.introspection == "nobody" else specified_rules
        self._hide_suggestions = hides_suggestions(settings)
        self._kept: OrderedDict[str, _Document] = OrderedDict()

    def prepare(self, query: str, operation_name: str | None, charge: Callable[[int], None] = lambda _: None) -> PreparedOperation:
        """The operation of a document that is to be carried out.

        `charge` is told the length of one that is not known yet, for whose sake there is work to do. Raises RequestRefused, with formatted
        errors, for syntax, validation, and an operation that is missing or not named though there are several.
        """
        document = self._kept.get(query)
        if document is None:
            charge(len(query))
            document = self._read(query)
            self._keep(query, document)
        else:
            self._kept.move_to_end(query)
        if document.errors:
            raise RequestRefused(format_errors(document.errors, "document"))
        return _select(document, operation_name)

    def _keep(self, query: str, document: _Document) -> None:
        if len(query) <= MAX_CACHED_TEXT:
            self._kept[query] = document
            if len(self._kept) > MAX_DOCUMENTS:
                self._kept.popitem(last=False)

    def _read(self, query: str) -> _Document:
        try:
            document = parse(query, max_tokens=self._max_tokens)
            refused = check_depth(document) or check_repeats(document)
            errors = refused or validate(
                self._schema, document, self._rules, max_errors=MAX_ERRORS, hide_suggestions=self._hide_suggestions
            )
            return _Document({} if errors else _operations(self._schema, document), errors)
        except GraphQLError as error:
            return _Document({}, [_too_complex(error.message)] if error.message.startswith(_TOO_MUCH) else [error])
        except RecursionError:
            return _Document({}, [_too_complex("The document is nested too deeply.")])


def _too_complex(message: str) -> GraphQLError:
    return GraphQLError(message, original_error=TooComplexError(message))


def _operations(schema: GraphQLSchema, document: DocumentNode) -> dict[str | None, PreparedOperation]:
    definitions = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    fragments = tuple(node for node in document.definitions if isinstance(node, FragmentDefinitionNode))
    prepared: dict[str | None, PreparedOperation] = {}
    for node in definitions:
        plain, known = without_known(node, fragments)
        own = DocumentNode(definitions=(plain, *fragments))
        cost = cost_of(plain, own, schema)
        evaluate(cost, {})  # as deep as any evaluation goes: what is too deep is refused now
        prepared[node.name.value if node.name else None] = PreparedOperation(
            document=own,
            kind=node.operation.value,
            name=node.name.value if node.name else None,
            text=print_ast(own),
            variable_names=frozenset(variable.variable.name.value for variable in plain.variable_definitions or ()),
            columns=columns_selected(schema, own, tables_by_type()),
            cost=cost,
            introspects=_introspects(own),
            known=known,
        )
    return prepared


def hides_suggestions(settings: Settings) -> bool:
    """Whether an error about a name that does not exist keeps silent about names that do."""
    return settings.env == "production"


def tells_everybody(settings: Settings) -> bool:
    """Whether who is not signed in may ask for the schema."""
    return settings.introspection == "everybody" or (settings.introspection is None and settings.env != "production")


def _introspects(document: DocumentNode) -> bool:
    found = False

    class Names(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            nonlocal found
            found = found or node.name.value in INTROSPECTION

    visit(document, Names())
    return found


def _select(document: _Document, name: str | None) -> PreparedOperation:
    if name is None and len(document.operations) == 1:
        return next(iter(document.operations.values()))
    operation = document.operations.get(name)
    if operation is not None:
        return operation
    if not document.operations:
        message = "The document holds no operation."
    elif name is None:
        message = "The document holds several operations; say which with operationName."
    else:
        message = f'The document holds no operation named "{name}".'
    raise RequestRefused(
        [{"message": message, "extensions": {"code": "INVALID_INPUT", "fields": [{"path": "operationName", "message": message}]}}]
    )
