"""What MongoDB itself is told of a table: its `$jsonSchema` validator and its indexes, derived from the declaration."""

from collections.abc import Collection
from typing import Any

from datastore.columns import Column, columns_of
from datastore.database import Document
from datastore.paging import index_presence
from datastore.tables import Index, OnDelete, Row, TableSpec

GUARD = "guard"
"""A hidden column, only in stored documents: a transaction that rests on a row it does not change counts it up, to collide with others."""

FAREWELL = "farewell"
"""A hidden column, never to be seen in a stored document: a row's last change, in the transaction that deletes it, sets it to the owner. An
event of a deletion tells the id alone; by this one before it, everybody who follows changes knows whose row it was.
"""

INDEX_NAME = "by_"
"""What the names of our indexes begin with. Others are an operator's own: they are left alone."""

# Python's integers arrive as 32 bits where they fit; a double is neither.
_BSON_TYPES: dict[str, list[str]] = {"string": ["string"], "integer": ["int", "long"], "bool": ["bool"], "date": ["date"]}
_STRINGS: Document = {"bsonType": "array", "items": {"bsonType": "string"}}


def validator_of(table: type[Row], lacking: Collection[str] = ()) -> Document:
    """The validator of a table's collection: every column is there, of its type, and nothing else is. Those named may be lacking."""
    columns = columns_of(table)
    properties = {name: _schema(column) for name, column in columns.items()}
    properties[GUARD] = {"bsonType": _BSON_TYPES["integer"]}
    properties[FAREWELL] = {"bsonType": _BSON_TYPES["string"]}
    required = sorted(columns.keys() - set(lacking))
    return {"$jsonSchema": {"bsonType": "object", "required": required, "properties": properties, "additionalProperties": False}}


def _schema(column: Column) -> Document:
    if column.kind == "strings":
        return _STRINGS
    null: list[Any] = ["null"] if column.nullable else []
    schema: Document = {"bsonType": _BSON_TYPES[column.kind] + null}
    if column.choices is not None:
        schema["enum"] = [*column.choices, *([None] if column.nullable else [])]
    return schema


def index_document(table: type[Row], index: Index) -> Document:
    """An index as `createIndexes` takes it and `listIndexes` gives it back."""
    document: Document = {"name": index.name, "key": dict.fromkeys(table.spec.stored_keys(index), 1)}
    if index.unique:
        document["unique"] = True
    presence = index_presence(table, index)
    if presence:
        document["partialFilterExpression"] = presence
    return document


def referring_index(table: type[Row], column: str) -> Index:
    """The index by which the rows that refer to another are found. Raises TypeError where none begins with the column."""
    for index in table.spec.indexes:
        if index.keys[:1] == (column,) and not index.unique:
            return index
    raise TypeError(f"{table.spec.name}.{column} refers to another table, so it needs an index that begins with it and is not unique")


def check_declarations(tables: tuple[type[Row], ...]) -> None:
    """Raises TypeError for a table that is declared in a way that reading or writing could not keep."""
    by_name = {table.spec.name: table for table in tables}
    for table in tables:
        columns = columns_of(table)
        for index in table.spec.indexes:
            _check_index(table.spec, index, columns)
        for reference in table.spec.references:
            if reference.table not in by_name:
                raise TypeError(f"{table.spec.name}.{reference.column} refers to {reference.table}, which is not declared")
            if table.spec.append_only and reference.on_delete is not OnDelete.RESTRICT:
                raise TypeError(f"{table.spec.name}.{reference.column} cannot be followed: its rows are never changed or deleted")
            if by_name[reference.table].spec.policy is not table.spec.policy:
                raise TypeError(f"{table.spec.name}.{reference.column} refers to {reference.table}, which belongs to others")
            referring_index(table, reference.column)
            if reference.on_delete is OnDelete.CLEAR and not columns[reference.column].nullable:
                raise TypeError(f"{table.spec.name}.{reference.column} cannot be cleared: it is never null")


def _check_index(spec: TableSpec, index: Index, columns: dict[str, Column]) -> None:
    missing = [key for key in index.keys if key not in columns]
    if missing:
        raise TypeError(f"{spec.name}.{index.name} is over {', '.join(missing)}, which the row has not")
    if not index.name.startswith(INDEX_NAME):
        raise TypeError(f"{spec.name}.{index.name}: an index's name begins with {INDEX_NAME}")
    lists = [key for key in index.keys if columns[key].kind == "strings"]
    if len(lists) > 1:
        raise TypeError(f"{spec.name}.{index.name}: {' and '.join(lists)} both hold lists, and an index takes but one of them apart")
    if lists and index.unique:
        raise TypeError(f"{spec.name}.{index.name} cannot be unique: {lists[0]} holds a list, of which each text would be had once only")
