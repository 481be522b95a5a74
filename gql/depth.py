"""Limits on how deeply a document may nest and how often it may repeat itself, linear in the document's length.

Each fragment is measured once, however often it is spread: a document of 1.5 kB whose fragments spread one another twice over thirty
levels would else be expanded a billion times.
"""

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
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


def check_repeats(document: DocumentNode) -> list[GraphQLError]:
    """An error of code TOO_COMPLEX for a document with more than MAX_ALIASES aliases or MAX_DIRECTIVES directives."""
    repeats = _Repeats()
    visit(document, repeats)
    counted = {"aliases": (repeats.aliases, MAX_ALIASES), "directives": (repeats.directives, MAX_DIRECTIVES)}
    return [_too_complex(f"The document has more than {most} {what}.") for what, (number, most) in counted.items() if number > most]


class _Repeats(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.aliases = self.directives = 0

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.aliases += node.alias is not None

    def enter_directive(self, _node: DirectiveNode, *_: object) -> None:
        self.directives += 1


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
