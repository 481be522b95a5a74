"""A limit on how deeply a document may nest, linear in the document's length.

Each fragment is measured once, however often it is spread: a document of 1.5 kB whose fragments spread one another twice over thirty
levels would else be expanded a billion times.
"""

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)

from datastore.errors import TooComplexError

MAX_DEPTH = 20
"""Levels of fields. Introspection as GraphiQL and the code generators send it needs fifteen."""


def check_depth(document: DocumentNode) -> list[GraphQLError]:
    """An error of code TOO_COMPLEX for each operation that nests more than MAX_DEPTH fields."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    measured: dict[str, int] = {}
    errors: list[GraphQLError] = []
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode) and _depth(node.selection_set, fragments, measured) > MAX_DEPTH:
            too_complex = TooComplexError(f"The operation nests more than {MAX_DEPTH} levels of fields.")
            errors.append(GraphQLError(too_complex.message, nodes=node, original_error=too_complex))
    return errors


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
