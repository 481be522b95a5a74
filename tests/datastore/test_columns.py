from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from datastore.columns import columns_of
from datastore.database import MAJORITY, Database
from datastore.embedded import MongoServer
from datastore.errors import InvalidInputError
from datastore.migrate import migrate
from datastore.schema import Product
from datastore.scope import Scope
from datastore.tables import Index, OwnedRow, Row, TableSpec
from datastore.validation import MAX_KEY_BYTES, validated
from datastore.validators import check_declarations, validator_of
from tests.datastore.samples import MOMENT, product, reader_of, stored, write


class Recipe(OwnedRow):
    """A row with a list."""

    spec: ClassVar = TableSpec("recipes", "rcp", "recipe", indexes=(Index("by_step", ("steps", "title")),))

    title: str
    steps: list[str]


RECIPE: dict[str, Any] = {
    "id": "rcp_1",
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "account_id": "acc_1",
    "title": "Tea",
    "steps": ["boil"],
}


def table_of(annotation: object, *indexes: Index) -> type[Row]:
    """A table with one column of this type, named words, and another that is a list."""
    spec = TableSpec("things", "thg", "thing", indexes=indexes)
    fields = {
        "__annotations__": {"spec": ClassVar[TableSpec], "words": annotation, "tags": list[str]},
        "spec": spec,
        "__module__": __name__,
    }
    return type("Thing", (OwnedRow,), fields)


def test_a_column_can_hold_a_list_of_texts() -> None:
    assert columns_of(Recipe)["steps"].kind == "strings"
    row, document, *_ = validated(Recipe, RECIPE)
    assert row.steps == document["steps"] == ["boil"]
    assert Recipe.from_document(document) == row
    assert validator_of(Recipe)["$jsonSchema"]["properties"]["steps"] == {"bsonType": "array", "items": {"bsonType": "string"}}


@pytest.mark.parametrize("annotation", [list[int], list[str] | None, list[list[str]], tuple[str, ...], set[str], dict[str, str]], ids=str)
def test_a_column_of_other_things_than_texts_is_refused(annotation: object) -> None:
    with pytest.raises(TypeError, match="no column can hold"):
        columns_of(table_of(annotation))


@pytest.mark.parametrize(
    ("index", "complaint"),
    [(Index("by_words", ("words",), unique=True), "cannot be unique"), (Index("by_words", ("words", "tags")), "both hold lists")],
    ids=["unique", "two lists"],
)
def test_an_index_that_could_not_keep_a_list_is_refused(index: Index, complaint: str) -> None:
    with pytest.raises(TypeError, match=complaint):
        check_declarations((table_of(list[str], index),))


@pytest.mark.parametrize(
    "steps",
    ["boil", None, [1], [None], [["boil"]], ["\ud800"], ["x" * MAX_KEY_BYTES], ["a", "é" * (MAX_KEY_BYTES // 2)]],
    ids=["text", "null", "number", "nothing in it", "list in it", "surrogate", "long", "long in bytes"],
)
def test_a_list_that_cannot_be_kept_is_invalid_input(steps: Any) -> None:
    with pytest.raises(InvalidInputError) as refused:
        validated(Recipe, RECIPE | {"steps": steps})
    assert refused.value.fields[0].path == "steps"


def test_a_list_counts_by_the_longest_of_its_texts() -> None:
    many = ["x" * 3000, "y" * 4000, "z" * 4000]
    assert validated(Recipe, RECIPE | {"steps": many})[0].steps == many
    with pytest.raises(InvalidInputError):
        validated(Recipe, RECIPE | {"steps": many, "title": "t" * 100})


@pytest.mark.parametrize("search_keys", ["tea", None, ["tea", 1], [["tea"]], [None]], ids=str)
async def test_the_server_refuses_what_is_no_list_of_texts(database: Database, scope: Scope, search_keys: Any) -> None:
    document = product(scope).to_document() | {"search_keys": search_keys}
    reply = await database.command({"insert": "products", "documents": [document]})
    assert [error["code"] for error in reply["writeErrors"]] == [121]


async def test_a_list_is_written_with_what_it_is_computed_of(database: Database, scope: Scope) -> None:
    row = product(scope, name="Tea")
    await write(database, scope, lambda db: db.insert(row))
    assert [found.id for found in (await reader_of(database, scope).page(Product, "by_search", ["tea"], first=5)).rows] == [row.id]
    renamed = await write(database, scope, lambda db: db.update(row, name="Pot"))
    reader = reader_of(database, scope)
    assert (await reader.page(Product, "by_search", ["tea"], first=5)).rows == ()
    assert (await reader.page(Product, "by_search", ["po"], first=5)).rows == (renamed,)


@pytest.fixture
async def older(mongod: MongoServer) -> AsyncIterator[Database]:
    """A database of its own, in which the products have no lists yet."""
    database = await Database.connect(mongod.uri, "tillstream_before_search")
    await database.command({"dropDatabase": 1, "writeConcern": MAJORITY})
    await migrate(database)
    schema = validator_of(Product)["$jsonSchema"]
    del schema["properties"]["search_keys"]
    schema["required"].remove("search_keys")
    for index in ("by_search", "by_category_search"):
        await database.command({"dropIndexes": "products", "index": index, "writeConcern": MAJORITY})
    await database.command({"collMod": "products", "validator": {"$jsonSchema": schema}, "writeConcern": MAJORITY})
    yield database
    await database.command({"dropDatabase": 1, "writeConcern": MAJORITY})
    await database.close()


async def test_migration_makes_the_products_that_are_there_searchable(older: Database, scope: Scope) -> None:
    rows = [product(scope, name=name, sku=f"S {name}") for name in ("Green tea", "Rooibos")]
    documents = [{name: value for name, value in row.to_document().items() if name != "search_keys"} for row in rows]
    reply = await older.command({"insert": "products", "documents": documents, "writeConcern": MAJORITY})
    assert "writeErrors" not in reply
    await migrate(older)
    assert (await reader_of(older, scope).page(Product, "by_search", ["tea"], also=["s"], first=5)).rows == (rows[0],)
    assert (await migrate(older)).lines == ()
    await stored(older, product(scope, name="Assam"))
