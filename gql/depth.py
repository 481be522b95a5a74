"""Limits on how deeply a document may nest and how often it may repeat itself, linear in the document's length.

Each fragment is measured once, however often it is spread: a document of 1.5 kB whose fragments spread one another twice over thirty
levels would else be expanded a billion times.
"""

from collections.abc import Iterator

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    visit,
)

from datastore.errors import TooComplexError

MAX_DEPTH = 20
"""Levels of fields. Introspection as GraphiQL and the code generators send it needs fifteen."""

MAX_ALIASES = 200
"""In a document. What an alias repeats costs what it costs (`gql/cost.py`); this is for what costs nothing but validation."""
MAX_DIRECTIVES = 100
"""In a document."""
MAX_REPEATED_FIELDS = 50
"""In a document: fields that stand beside one of the same name, for the same type. Validation compares each of them with each."""
MAX_INLINE_FRAGMENTS = 100
"""In a document."""
MAX_OPERATIONS = 50
"""In a document."""
MAX_FRAGMENTS = 50
"""In a document. Validation compares those that are spread in one place with each other, too."""


def check_repeats(document: DocumentNode) -> list[GraphQLError]:
    """An error of code TOO_COMPLEX for each of the limits above that a document passes."""
    repeats = _Repeats()
    visit(document, repeats)
    counted = {
        "aliases": (repeats.aliases, MAX_ALIASES),
        "directives": (repeats.directives, MAX_DIRECTIVES),
        "fields of equal names beside each other": (repeats.fields, MAX_REPEATED_FIELDS),
        "operations": (repeats.operations, MAX_OPERATIONS),
        "fragments": (repeats.fragments, MAX_FRAGMENTS),
        "inline fragments": (repeats.inline, MAX_INLINE_FRAGMENTS),
    }
    return [_too_complex(f"The document has more than {most} {what}.") for what, (number, most) in counted.items() if number > most]


class _Repeats(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.aliases = self.directives = self.fields = self.operations = self.fragments = self.inline = 0

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.aliases += node.alias is not None

    def enter_selection_set(self, node: SelectionSetNode, _key: object, parent: object, *_: object) -> None:
        if not isinstance(parent, InlineFragmentNode):  # which is counted with what it stands in
            names = list(_names_in(node))
            self.fields += len(names) - len(set(names))

    def enter_operation_definition(self, *_: object) -> None:
        self.operations += 1

    def enter_inline_fragment(self, *_: object) -> None:
        self.inline += 1

    def enter_fragment_definition(self, *_: object) -> None:
        self.fragments += 1

    def enter_directive(self, _node: DirectiveNode, *_: object) -> None:
        self.directives += 1


def _names_in(selections: SelectionSetNode, condition: str = "") -> Iterator[tuple[str, str]]:
    """What the fields of a selection are called in the result, each with the type it is for; those of inline fragments included."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield condition, (node.alias or node.name).value
        elif isinstance(node, InlineFragmentNode):
            yield from _names_in(node.selection_set, node.type_condition.name.value if node.type_condition else condition)


def check_depth(document: DocumentNode) -> list[GraphQLError]:
    """An error of code TOO_COMPLEX for each operation that nests more than MAX_DEPTH fields."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    measured: dict[str, int] = {}
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    too_deep = [node for node in operations if _depth(node.selection_set, fragments, measured) > MAX_DEPTH]
    return [_too_complex(f"The operation nests more than {MAX_DEPTH} levels of fields.", node) for node in too_deep]


def _too_complex(message: str, node: OperationDefinitionNode | None = None) -> GraphQLError:
    return GraphQLError(message, nodes=node, original_error=TooComplexError(message))


def _depth(selections: SelectionSetNode | None, fragments: dict[str, FragmentDefinitionNode], measured: dict[str, int]) -> int:
    if selections is None:
        return 0
    deepest = 0
    for selection in selections.selections:
        if isinstance(selection, FieldNode):
            depth = 1 + _depth(selection.selection_set, fragments, measured)
        elif isinstance(selection, FragmentSpreadNode):
            depth = _fragment_depth(selection.name.value, fragments, measured)
        else:
            depth = _depth(getattr(selection, "selection_set", None), fragments, measured)
        deepest = max(deepest, depth)
    return deepest


def _fragment_depth(name: str, fragments: dict[str, FragmentDefinitionNode], measured: dict[str, int]) -> int:
    if name not in measured:
        measured[name] = 0  # a fragment that spreads itself is refused by validation; here it must only end
        fragment = fragments.get(name)
        measured[name] = _depth(fragment.selection_set, fragments, measured) if fragment else 0
    return measured[name]
