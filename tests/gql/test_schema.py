"""The schema as a whole: in step with the committed file, and described throughout."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, build_schema

from gql.schema import build_schema as build
from gql.schema import marked_functions
from resolvers import MODULES, products

ROOT = Path(__file__).parents[2]
AGREED_WITH_CLIENTS = {"exportTransactions", "importProducts"}
"""Whose arguments are part of the contract."""

MOST_ARGUMENTS = 2


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text(encoding="utf-8"))


def test_the_committed_schema_is_the_running_one() -> None:
    assert (ROOT / "schema.graphql").read_text(encoding="utf-8") == f"{build()}\n", "run make schema"


def undescribed(schema: GraphQLSchema) -> Iterator[str]:
    for name, kind in schema.type_map.items():
        if name.startswith("__") or name in {"String", "Int", "Float", "Boolean", "ID"}:
            continue
        if not kind.description:
            yield name
        if isinstance(kind, GraphQLEnumType):
            yield from (f"{name}.{value}" for value, each in kind.values.items() if not each.description)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field_name, field in kind.fields.items():
                if not field.description:
                    yield f"{name}.{field_name}"
                for argument_name, argument in getattr(field, "args", {}).items():
                    if not argument.description:
                        yield f"{name}.{field_name}({argument_name})"


def test_every_type_field_argument_and_value_is_described(schema: GraphQLSchema) -> None:
    assert list(undescribed(schema)) == []


def test_a_mutation_of_more_than_two_values_takes_one_input(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        assert len(field.args) <= MOST_ARGUMENTS or name in AGREED_WITH_CLIENTS, name
        assert "input" not in field.args or len(field.args) == 1, name


def test_every_row_type_is_a_node(schema: GraphQLSchema) -> None:
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    assert set(node.fields) == {"id", "createdAt", "updatedAt"}
    assert {kind.name for kind in schema.get_possible_types(node)} >= {
        "User",
        "Account",
        "Settings",
        "ProductCategory",
        "Product",
        "StockMovement",
    }


def test_all_of_query_is_under_live(schema: GraphQLSchema) -> None:
    assert schema.subscription_type is not None
    assert str(schema.subscription_type.fields["live"].type) == "Query!"


def test_a_module_offers_only_what_it_marks_itself() -> None:
    names = [function.__name__ for function, _ in marked_functions(products)]
    assert "create_product" in names
    assert "currency_of_amounts" not in names
    everything = [function.__name__ for module in MODULES for function, _ in marked_functions(module)]
    assert len(everything) == len(set(everything))
