"""`live(known: …)`: what a reconnecting client has already, and is not sent again.

It is about the one caller, so it is taken out of the operation before that is shared, and out of the variables that tell operations apart.
"""

from collections.abc import Iterable
from typing import Any

from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentDefinitionNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Visitor,
    value_from_ast_untyped,
    visit,
)

from datastore.errors import InvalidInputError
from datastore.versions import from_wire
from gql.subscribers import DIGEST_BYTES, Known

LIVE, KNOWN = "live", "known"


def without_known(
    operation: OperationDefinitionNode, fragments: Iterable[FragmentDefinitionNode] = ()
) -> tuple[OperationDefinitionNode, ArgumentNode | None]:
    """A live operation without its argument `known`, and without the variables that nothing else uses; other operations as they are."""
    if operation.operation is not OperationType.SUBSCRIPTION or len(operation.selection_set.selections) != 1:
        return operation, None
    [root] = operation.selection_set.selections
    if not isinstance(root, FieldNode) or root.name.value != LIVE:
        return operation, None
    known = next((argument for argument in root.arguments or () if argument.name.value == KNOWN), None)
    if known is None:
        return operation, None
    plain_root = _changed(root, arguments=tuple(argument for argument in root.arguments or () if argument is not known))
    selections: SelectionSetNode = _changed(operation.selection_set, selections=(plain_root,))
    only_known = _variables_of(known).difference(*map(_variables_of, (plain_root, *fragments)))
    kept = tuple(each for each in operation.variable_definitions or () if each.variable.name.value not in only_known)
    return _changed(operation, selection_set=selections, variable_definitions=kept), known


def known_of(argument: ArgumentNode | None, variables: dict[str, Any] | None) -> Known | None:
    """What the client says that it has; None where it says nothing. Raises InvalidInputError for what no result ever carried."""
    if argument is None:
        return None
    value = value_from_ast_untyped(argument.value, variables)
    if value is None:
        return None
    given = value if isinstance(value, dict) else {}
    version, digest = given.get("version"), given.get("hash")
    moment = from_wire(version) if isinstance(version, str) else None
    if moment is None:
        raise InvalidInputError.of("known.version", "must be the version of a live result")
    if not isinstance(digest, str) or len(digest) != 2 * DIGEST_BYTES or not set(digest) <= set("0123456789abcdef"):
        raise InvalidInputError.of("known.hash", "must be the hash of a live result")
    return Known(moment, bytes.fromhex(digest))


def _changed(node: Any, **values: Any) -> Any:
    return type(node)(**{key: getattr(node, key, None) for key in node.keys if key != "loc"} | {"loc": node.loc} | values)


def _variables_of(part: Node) -> set[str]:
    found: set[str] = set()

    class Names(Visitor):
        def enter_variable(self, node: Any, *_: object) -> None:
            found.add(node.name.value)

    visit(part, Names())
    return found
