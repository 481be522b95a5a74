"""What an operation may cost at most, known before it runs: how many values its result has if every page is full.

A field is one value. What stands under a list counts once for each of its items: as many as `first` or `ids` asks for, and ASSUMED_ITEMS
where neither does. A mutation counts MUTATION_COST more. The idea is that of slicing arguments and assumed sizes in IBM's GraphQL Cost
Directives specification (https://ibm.github.io/graphql-specs/cost-spec.html), without the directives: the schema's own names say it.

A fragment is measured once, however often it is spread, and what variables decide is left open, as a term: a document costs its length to
measure, once, and an execution only the few terms that are open.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableNode,
    get_named_type,
    is_introspection_type,
    value_from_ast_untyped,
)

from datastore.errors import TooComplexError

ASSUMED_ITEMS: Final = 10
"""Of a list whose length no argument says."""
MUTATION_COST: Final = 10
MOST_ITEMS: Final = 1000
"""More than any list gives: what an argument beyond counts as, before it is refused."""

INTROSPECTION: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
CHEAP: Final = 10
"""So many values of introspection, which reads nothing, cost one."""

_SLICING: Final = ("first", "ids")


@dataclass(frozen=True, slots=True)
class Size:
    """How many items a list has: `fixed`, or what a variable says."""

    fixed: int
    variable: str | None = None

    def given(self, variables: Mapping[str, Any]) -> int:
        """The number, with the variables of one request."""
        value = self.fixed if self.variable is None else variables.get(self.variable, self.fixed)
        return _items(value, self.fixed)


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """`values`, and of each term its size times its cost."""

    values: int = 0
    terms: tuple[tuple[Size, "Cost"], ...] = ()

    def times(self, size: Size) -> "Cost":
        """The cost of a list of this."""
        if size.variable is None and not self.terms:
            return Cost(self.values * size.fixed)
        return Cost(0, ((size, self),))


@dataclass(frozen=True, slots=True)
class _Selected:
    """What a selection costs: once, and for each item of the connection that it may be the inside of."""

    once: Cost
    each: Cost


def cost_of(operation: OperationDefinitionNode, document: DocumentNode, schema: GraphQLSchema) -> Cost:
    """The cost of one operation of a valid document."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    defaults = {
        node.variable.name.value: value_from_ast_untyped(node.default_value)
        for node in operation.variable_definitions or ()
        if node.default_value is not None
    }
    measuring = _Measuring(schema, fragments, defaults)
    root = schema.get_root_type(operation.operation)
    selected = measuring.selections(root, operation.selection_set)
    return _sum([selected.once, selected.each.times(Size(ASSUMED_ITEMS))])


def evaluate(cost: Cost, variables: Mapping[str, Any]) -> int:
    """The number, with the variables of one request."""
    known: dict[int, int] = {}

    def number(of: Cost) -> int:
        if id(of) not in known:
            known[id(of)] = of.values + sum(size.given(variables) * number(part) for size, part in of.terms)
        return known[id(of)]

    return number(cost)


def check_cost(number: int, limit: int) -> None:
    """Raises TooComplexError for what costs more than the limit."""
    if number > limit:
        raise TooComplexError(
            f"The operation may give {number} values, and {limit} are the most: ask for fewer fields, or for shorter pages (`first`)."
        )


class _Measuring:
    """One operation being measured."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode], defaults: Mapping[str, Any]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._defaults = defaults
        self._measured: dict[str, _Selected] = {}

    def selections(self, parent: object, selections: SelectionSetNode) -> _Selected:
        """What all selections cost together."""
        parts = [self._selection(parent, node) for node in selections.selections]
        return _Selected(_sum([part.once for part in parts]), _sum([part.each for part in parts]))

    def _selection(self, parent: object, node: SelectionNode) -> _Selected:
        if isinstance(node, FieldNode):
            field = self._field(parent, node)
            return replace(field, once=_sum([field.once, Cost(MUTATION_COST)])) if parent is self._schema.mutation_type else field
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in self._measured:
                fragment = self._fragments[name]
                self._measured[name] = self.selections(self._schema.get_type(fragment.type_condition.name.value), fragment.selection_set)
            return self._measured[name]
        if isinstance(node, InlineFragmentNode):
            condition = node.type_condition
            return self.selections(self._schema.get_type(condition.name.value) if condition else parent, node.selection_set)
        raise TypeError(f"{type(node).__name__} is no selection")

    def _field(self, parent: object, node: FieldNode) -> _Selected:
        if node.name.value in INTROSPECTION and node.selection_set is not None:
            inside = self.selections(get_named_type(INTROSPECTION[node.name.value].type), node.selection_set)
            return _Selected(Cost(1 + inside.once.values // CHEAP), Cost())
        declared = parent.fields.get(node.name.value) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else None
        if declared is None or node.selection_set is None:  # a leaf
            return _Selected(Cost(1), Cost())
        inside = self.selections(get_named_type(declared.type), node.selection_set)
        size = self._size_in_schema(node) if _is_of_schema(parent) else self._size(declared, node)
        if not _is_list(declared.type):
            return _Selected(_sum([Cost(1), inside.once, inside.each.times(size or Size(ASSUMED_ITEMS))]), Cost())
        item = _sum([Cost(1), inside.once, inside.each.times(Size(ASSUMED_ITEMS))])
        # The items of a list without an argument of its own are those of the connection around it, where there is one.
        return _Selected(Cost(1), item) if size is None else _Selected(_sum([Cost(1), item.times(size)]), Cost())

    def _size_in_schema(self, node: FieldNode) -> Size:
        """How many things of a kind the schema has, or one of its types has on average."""
        types = len(self._schema.type_map)
        return Size(types if node.name.value == "types" else max(1, _members(self._schema, node.name.value) // types))

    def _size(self, declared: GraphQLField, node: FieldNode) -> Size | None:
        """What the field's arguments say of its length; None where it has none that do."""
        name = next((name for name in _SLICING if name in declared.args), None)
        if name is None:
            return None
        by_default = _items(_default_of(declared.args[name]), ASSUMED_ITEMS)
        value = next((argument.value for argument in node.arguments or () if argument.name.value == name), None)
        if isinstance(value, VariableNode):
            variable = value.name.value
            return Size(_items(self._defaults.get(variable), by_default), variable)
        if isinstance(value, IntValueNode):
            return Size(_items(int(value.value), by_default))
        return Size(_items(len(value.values), by_default)) if isinstance(value, ListValueNode) else Size(by_default)


@cache
def _members(schema: GraphQLSchema, kind: str) -> int:
    """How many of what an introspection field lists all types have together, rounded up to the next one for each."""
    found = 0
    for named in schema.type_map.values():
        fields = getattr(named, "fields", {})
        if kind == "args":
            found += sum(len(getattr(field, "args", ())) for field in fields.values()) // max(1, len(fields))
        elif kind in {"fields", "inputFields"}:
            found += len(fields) if isinstance(named, GraphQLInputObjectType) == (kind == "inputFields") else 0
        else:
            found += len(getattr(named, "values", ()))
    return found + len(schema.type_map) - 1


def _sum(parts: list[Cost]) -> Cost:
    """The parts together. What is open in them stays where it is, so that adding never copies."""
    values = sum(part.values for part in parts if not part.terms)
    open_parts = tuple((Size(1), part) for part in parts if part.terms)
    return open_parts[0][1] if len(open_parts) == 1 and not values else Cost(values, open_parts)


def _default_of(argument: GraphQLArgument) -> object:
    """An argument's default value, which a schema that was written in SDL has as a literal."""
    default = argument.default
    if default is None:
        return argument.default_value
    return default.value if default.literal is None else value_from_ast_untyped(default.literal)


def _items(value: object, otherwise: int) -> int:
    if isinstance(value, list):
        value = len(value)
    if isinstance(value, float) and value.is_integer():  # which GraphQL takes for an Int
        value = int(value)
    return min(max(value, 0), MOST_ITEMS) if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _is_of_schema(parent: object) -> bool:
    return isinstance(parent, GraphQLObjectType) and is_introspection_type(parent)


def _is_list(kind: GraphQLOutputType) -> bool:
    return isinstance(kind.of_type if isinstance(kind, GraphQLNonNull) else kind, GraphQLList)
