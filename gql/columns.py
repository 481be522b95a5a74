"""Which columns of the rows shown to a client an operation selects: a change of any other runs it not again.

Found once for each document, from its fields and from what the fields say they are made of (`resolvers.functions.shows`).
"""

from collections.abc import Mapping, Sequence

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    visit,
)
from strawberry.types.field import StrawberryField

from datastore.tables import Row
from resolvers.functions import COLUMNS

Columns = Mapping[str, frozenset[str] | None]


def columns_selected(schema: GraphQLSchema, document: DocumentNode, tables: Mapping[str, type[Row]]) -> Columns:
    """By table, the columns that a valid document selects anywhere; None where it can't be told. `tables` are those of the GraphQL
    types.
    """
    type_info = TypeInfo(schema)
    selection = _Selection(schema, type_info, tables)
    visit(document, TypeInfoVisitor(type_info, selection))
    return {table: None if None in columns else frozenset(filter(None, columns)) for table, columns in selection.found.items()}


class _Selection(Visitor):
    """Walks all fields; None among the columns found stands for "any"."""

    def __init__(self, schema: GraphQLSchema, type_info: TypeInfo, tables: Mapping[str, type[Row]]) -> None:
        super().__init__()
        self.found: dict[str, set[str | None]] = {}
        self._schema = schema
        self._type_info = type_info
        self._tables = tables

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Notes what the field is made of, on every type that it may be a field of."""
        parent = self._type_info.get_parent_type()
        if parent is None or node.name.value.startswith("__"):
            return
        for kind in self._objects(parent):
            table = self._tables.get(kind.name)
            field = kind.fields.get(node.name.value)
            if table is not None and field is not None:
                columns = self.found.setdefault(table.spec.name, set())
                columns.update(_made_of(table, field.extensions.get("strawberry-definition")))

    def _objects(self, parent: object) -> Sequence[GraphQLObjectType]:
        if isinstance(parent, GraphQLObjectType):
            return [parent]
        return self._schema.get_possible_types(parent) if isinstance(parent, GraphQLInterfaceType) else []


def _made_of(table: type[Row], field: object) -> Sequence[str | None]:
    if not isinstance(field, StrawberryField):
        return [None]
    declared = field.metadata.get(COLUMNS)
    if declared is not None:
        return list(declared)
    name = field.python_name
    stored = {*table.model_fields, *table.model_computed_fields}
    return [name] if name in stored and field.base_resolver is None else [None]
