"""A client of one business never sees, by any field or argument of the schema, a row of another: the schema is walked by introspection.

Every field of `Query` and `Mutation` is called by A with B's ids in its ID arguments and input fields, every kind of id in every place,
alone and beside ids of A's own, and with all nested fields selected a few levels deep. B's rows are full of one word, which must be in no
answer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_required_argument,
)
from graphql.pyutils import Undefined

from datastore.database import Database
from datastore.schema import TABLES, TABLES_BY_NAME
from datastore.settings import Settings
from gql.documents import Documents
from gql.schema import build_schema
from gql.wire import RequestRefused
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.card_desk import CREATE, awaited_sale
from tests.resolvers.conftest import contents
from tests.resolvers.errands import run_errand, schedule
from tests.resolvers.filing import make_folder
from tests.resolvers.hooks import TEST, make_endpoint
from tests.resolvers.key_ring import make_key
from tests.resolvers.shop import adjust, make_category, make_product
from tests.resolvers.spending import keep_books
from tests.resolvers.teams import invite
from tests.resolvers.till import line, refund, sell
from tests.resolvers.uploading import DELETE as DELETE_FILE
from tests.resolvers.uploading import store

SECRET = "Wintermute"
DEPTH = 4
SERVER = Documents(build_schema()._schema, Settings())
"""What refuses documents that are too long."""

KINDS = {
    "acc",
    "usr",
    "set",
    "prd",
    "pct",
    "stm",
    "ses",
    "mem",
    "sal",
    "sli",
    "rfd",
    "rfi",
    "pay",
    "ect",
    "exp",
    "rec",
    "txn",
    "fld",
    "whe",
    "whd",
}
"""The prefixes of the ids that a business of the tests here has."""

TAKEN = {"jobs", "webhook_endpoints", "webhook_deliveries"}
"""Tables that are not followed whose ids fields take."""

FITTING: dict[str, tuple[str, ...]] = {
    "productId": ("prd",),
    "categoryId": ("pct", "ect"),
    "moveProductsTo": ("pct",),
    "moveExpensesTo": ("ect",),
    "saleId": ("sal",),
    "itemId": ("sli",),
    "folderId": ("fld",),
    "parentId": ("fld",),
    "imageId": ("fil",),
    "receiptId": ("fil",),
    "logoId": ("fil",),
    "fileId": ("fil",),
    "endpointId": ("whe",),
}
"""Which ids fit into a place for ids, by its name in the singular; `id` takes those of what its field is about."""

PREFIXES: dict[str, tuple[str, ...]] = {
    **{table.__name__: (table.spec.prefix,) for table in TABLES},
    "Transaction": ("txn",),
}

ABOUT_SESSIONS = {"signOut", "signOutEverywhere", "signUp", "signIn", "deleteAccount"}

Fill = Callable[[str], str]
"""The id for an argument or input field at a path."""

VALUES: dict[str, Any] = {
    "String": f"{SECRET} 1",
    "Int": 5,
    "Boolean": False,
    "Money": "1.00",
    "Percentage": "19",
    "Quantity": 1,
    "DateTime": "2026-11-23T18:30:00.000Z",
    "Date": "2026-11-23",
}
"""What stands in a place that takes no id. A SKU of B's is among them: `productBySku` must not find it."""


@dataclass(frozen=True)
class Call:
    """One root field called with one id in all of its places for ids."""

    document: str
    variables: dict[str, Any]


@pytest.fixture
async def other(api: Api) -> Person:
    """B, whose rows say so everywhere."""
    person = await api.sign_up(f"{SECRET}@example.org", f"{SECRET} 1")
    category = await make_category(api, person, f"{SECRET} 1", description=f"{SECRET} 1")
    product = await make_product(api, person, f"{SECRET} 1", categoryId=category["id"], sku=f"{SECRET} 1", barcode=SECRET, stock=3)
    await adjust(api, person, product["id"], 1, f"{SECRET} 1")
    sold = [await sell(api, person, line(product), customerName=f"{SECRET} 1", soldAt=VALUES["DateTime"]) for _ in range(2)]
    await refund(api, person, sold[1], reason=f"{SECRET} 1")
    awaited = await awaited_sale(api, person, note=f"{SECRET} 1")
    await api.data(CREATE, {"saleId": awaited["id"]}, caller=person)
    await keep_books(api, person, f"{SECRET} 1", VALUES["Date"])
    await make_key(api, person, name=f"{SECRET} 1")
    endpoint = await make_endpoint(api, person, f"https://{SECRET}.example.org/", "sale.*")
    await api.data(TEST, {"id": endpoint["id"]}, caller=person)
    await invite(api, person, "wintermute@example.net")
    await make_folder(api, person, f"{SECRET} 1")
    deleted, _ = [await store(api, person, SECRET.encode(), f"{SECRET} 1") for _ in range(2)]
    await api.data(DELETE_FILE, {"id": deleted["id"]}, caller=person)
    await schedule(api, person, run_errand, {"what": SECRET})
    await api.services.database.command({"update": "jobs", "updates": [{"q": {}, "u": {"$set": {"error": SECRET}}}]})
    device = {"q": {"user_id": person.user_id}, "u": {"$set": {"user_agent": SECRET}}}
    await api.services.database.command({"update": "sessions", "updates": [device]})
    return person


@pytest.fixture
async def schema(api: Api) -> GraphQLSchema:
    """The schema as a client sees it."""
    data: Any = await api.data(get_introspection_query())
    return build_client_schema(data)


def selection(schema: GraphQLSchema, kind: GraphQLNamedType, depth: int) -> str:
    """All fields of a type, and those of their types, so many levels deep."""
    if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)):
        return ""
    parts = ["__typename", *filter(None, (selected(schema, name, field, depth) for name, field in kind.fields.items()))]
    if isinstance(kind, GraphQLInterfaceType):
        possible_types = schema.get_possible_types(kind)
        for possible in possible_types:
            fields = [
                f"{possible.name}_{name}: {chosen}" if differs(name, possible_types) else chosen
                for name, field in possible.fields.items()
                if name not in kind.fields and (chosen := selected(schema, name, field, depth))
            ]
            parts.append(f"... on {possible.name} {{ {' '.join(fields)} }}")
    return f"{{ {' '.join(parts)} }}"


def differs(name: str, kinds: Sequence[GraphQLObjectType]) -> bool:
    """Whether the fields of this name are of more than one type: then they cannot stand in one answer without an alias, of which a document
    may have so many.
    """
    return len({str(kind.fields[name].type) for kind in kinds if name in kind.fields}) > 1


def selected(schema: GraphQLSchema, name: str, field: GraphQLField, depth: int) -> str:
    """A field with its own selection; nothing where it is too deep."""
    named = get_named_type(field.type)
    needed = [f"{place_name}: {needed_value(place)}" for place_name, place in field.args.items() if is_required_argument(place)]
    name = f"{name}({', '.join(needed)})" if needed else name
    if isinstance(named, (GraphQLScalarType, GraphQLEnumType)):
        return name
    return f"{name} {selection(schema, named, depth - 1)}" if depth > 1 else ""


def needed_value(place: GraphQLArgument) -> str:
    """A literal for an argument of a nested field that may not be left out: so far they are all one of a few words."""
    kind = get_named_type(place.type)
    assert isinstance(kind, GraphQLEnumType)
    return str(next(iter(kind.values)))


def value_for(kind: Any, path: str, fill: Fill) -> Any:
    """A value of an input type, with an id wherever one fits."""
    if isinstance(kind, GraphQLNonNull):
        return value_for(kind.of_type, path, fill)
    if isinstance(kind, GraphQLList):
        return [value_for(kind.of_type, path, fill)]
    if isinstance(kind, GraphQLInputObjectType):
        return {name: given(field, name, f"{path}.{name}", fill) for name, field in kind.fields.items()}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return fill(path) if kind.name == "ID" else VALUES[kind.name]


def given(place: GraphQLArgument | GraphQLInputField, name: str, path: str, fill: Fill) -> Any:
    """What an argument or input field is given: its default where it has one and takes no id."""
    special = {"password": PASSWORD, "email": "mallory@example.org", "currency": "USD", "timeZone": "UTC", "locale": "en", "after": None}
    if name in special:
        return special[name]
    if place.default_value not in {Undefined, None} and get_named_type(place.type).name != "ID":
        return place.default_value
    return value_for(place.type, path, fill)


def variables_of(field: GraphQLField, fill: Fill) -> dict[str, Any]:
    """Values of all arguments of a field."""
    return {name: given(place, name, name, fill) for name, place in field.args.items()}


def places_of_ids(field: GraphQLField) -> list[str]:
    """The paths of all arguments and input fields of a field that take an id."""
    found: list[str] = []

    def note(path: str) -> str:
        found.append(path)
        return ""

    variables_of(field, note)
    return found


def document_of(schema: GraphQLSchema, operation: str, name: str, field: GraphQLField) -> str:
    """The call of one root field, as deep as the server takes it."""
    declared = ", ".join(f"${argument}: {place.type}" for argument, place in field.args.items())
    passed = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    head = f"{operation} ({declared}) {{ {name}({passed})" if field.args else f"{operation} {{ {name}"
    documents = (f"{head} {selection(schema, get_named_type(field.type), depth)} }}" for depth in range(DEPTH, 0, -1))
    return next(document for document in documents if is_taken(document))


def is_taken(document: str) -> bool:
    """Whether the server takes a document so long, and of so many fields."""
    try:
        SERVER.prepare(document, None)
    except RequestRefused:
        return False
    return True


def narrowed(field: GraphQLField, fill: Fill) -> Iterator[dict[str, Any]]:
    """Values with one argument of those that may be left out, for each of them: not all filters of a list go together."""
    optional = [name for name, place in field.args.items() if not isinstance(place.type, GraphQLNonNull)]
    for chosen in optional if len(optional) > 1 else []:
        yield variables_of(field, fill) | {name: None for name in optional if name != chosen}


def calls(schema: GraphQLSchema, theirs: list[str], ours: list[str]) -> Iterator[Call]:
    """Each of the calls below once: where no place takes an id, all ids make the same one."""
    made: set[str] = set()
    for one in all_calls(schema, theirs, ours):
        if repr(one) not in made:
            made.add(repr(one))
            yield one


def all_calls(schema: GraphQLSchema, theirs: list[str], ours: list[str]) -> Iterator[Call]:
    """Every root field with every id of theirs: in all of its places for ids, with all arguments and with each of those that may be left
    out; then in each one beside ids of ours in the others, of the kind that these take.

    Queries come before mutations, and what begins or ends sessions is left out.
    """
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    for operation, root in (("query", schema.query_type), ("mutation", schema.mutation_type)):
        for name, field in root.fields.items():
            if name in ABOUT_SESSIONS:
                continue
            document = document_of(schema, operation, name, field)
            for id in theirs:
                yield Call(document, variables_of(field, lambda _, id=id: id))  # type: ignore[misc]
                for variables in narrowed(field, lambda _, id=id: id) if operation == "query" else ():  # type: ignore[misc]
                    yield Call(document, variables)
            places = places_of_ids(field)
            for place in places if len(places) > 1 else []:
                for id in theirs:
                    yield Call(document, variables_of(field, partial(beside, place, id, field, ours)))


def beside(place: str, id: str, field: GraphQLField, ours: Sequence[str], path: str) -> str:
    """The id for a path: theirs in its one place, and in the others one of ours that fits there, so that nothing else is wrong with it."""
    return id if path == place or not ours else fitting(path, field, ours)[0]


def fitting(path: str, field: GraphQLField, ids: Sequence[str]) -> Sequence[str]:
    """Those of some ids that are of the kind that a place takes; all, where none is or the kind is unknown."""
    name = path.rpartition(".")[2].removesuffix("s")
    kinds = FITTING.get(name, ()) or PREFIXES.get(get_named_type(field.type).name, ())
    return [id for id in ids if id.startswith(kinds)] or ids


async def rows_of(database: Database, account_id: str) -> dict[str, list[Any]]:
    """Every document that belongs to an account."""
    return {
        table: [document for document in documents if document.get("account_id") == account_id]
        for table, documents in (await contents(database)).items()
    }


async def ids_of(database: Database, person: Person) -> list[str]:
    """One id of each kind of row that somebody has; of what is not followed, few have ids that a field could take."""
    rows = await rows_of(database, person.account_id)
    found = {
        documents[0]["_id"] for table, documents in rows.items() if documents and (TABLES_BY_NAME[table].spec.followed or table in TAKEN)
    }
    return sorted({*found, person.user_id})


@pytest.mark.slow
async def test_no_field_and_no_argument_shows_or_changes_a_row_of_another_business(
    api: Api, owner: Person, other: Person, schema: GraphQLSchema, database: Database
) -> None:
    category = await make_category(api, owner)
    product = await make_product(api, owner, categoryId=category["id"], sku="A-1", stock=3)
    await refund(api, owner, await sell(api, owner, line(product, 2)), (0, 1))
    await keep_books(api, owner, "Rent", VALUES["Date"])
    before = await rows_of(database, other.account_id)
    ids, ours = await ids_of(database, other), await ids_of(database, owner)
    assert {id[:3] for id in ids} >= KINDS
    answered = 0
    for one in calls(schema, ids, ours):
        response = await api.execute(one.document, one.variables, caller=owner)
        assert "data" in response, (one, response)
        for error in response.get("errors", ()):
            assert error["extensions"]["code"] in {"INVALID_INPUT", "NOT_FOUND", "CONFLICT", "UNAUTHENTICATED"}, (one, error)
        answered += "errors" not in response
        text = str(response.get("data"))
        assert not any(id in text for id in ids), (one, response)
        assert other.email not in str(response)
        # What a mutation carried is no leak: a product of A's own may then be called that too.
        assert one.document.startswith("mutation") or SECRET not in str(response), (one, response)
    assert answered > len(ids)
    assert await rows_of(database, other.account_id) == before


@pytest.mark.slow
async def test_the_walk_sees_what_it_looks_for(api: Api, other: Person, schema: GraphQLSchema, database: Database) -> None:
    """Called by B themself, the same queries show B's rows: the walk reaches them."""
    shown: set[str] = set()
    for one in calls(schema, await ids_of(database, other), []):
        name = one.document.split("{")[1].split("(")[0].strip()
        if one.document.startswith("query") and name not in shown:
            response = await api.execute(one.document, one.variables, caller=other)
            if SECRET in str(response.get("data")):
                shown.add(name)
    assert schema.query_type is not None
    shows_figures_alone = {"engine", "balance", "storageUsage", "sessions"}
    assert shown | shows_figures_alone == schema.query_type.fields.keys()


async def test_a_live_query_shows_no_row_of_another_business(api: Api, owner: Person, other: Person) -> None:
    document = "subscription { live { products { nodes { name } } productCategories { nodes { name } } } }"
    async with api.watch(document, caller=owner) as watching:
        await make_product(api, other, f"{SECRET} 2")
        await make_product(api, owner, "Assam")
        await watching.until(lambda: "Assam" in str(watching.last))
        await api.settle()
    assert SECRET not in str(watching.results)
