"""What no client of ours would send, in every place of the schema that takes something: OWASP Injection Prevention and Input
Validation Cheat Sheets; ASVS 4.0.3, 5.1 and 5.3; ASVS 5.0, 1.2 and 2.2.

The schema is walked by introspection, so that what is added to it is tried by itself. Nothing may be INTERNAL, tell of the works
inside, take long, or make MongoDB look through a whole collection.
"""

import copy
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import orjson
import pytest
import strawberry
from graphql import GraphQLField, GraphQLInputObjectType, GraphQLSchema, get_named_type
from graphql.type import GraphQLList, GraphQLNonNull

from datastore.database import Database
from gql.wire import Caller, GraphQLParams
from tests.gql.api import Api
from tests.resolvers.key_ring import make_key
from tests.resolvers.shop import make_category, make_product
from tests.resolvers.spending import keep_books
from tests.resolvers.test_isolation import VALUES, ids_of, selection, variables_of
from tests.resolvers.till import line, sell

TEXTS = [
    '{"$gt": ""}',
    '{"$where": "sleep(5000)"}',
    "$where",
    "$$NOW",
    "account_id.x",
    ".*",
    "^(a+)+$",
    "__proto__",
    "__class__",
    "{{7*7}}${7*7}#{7*7}%s{0}",
    "' OR 1=1; --",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "a\x00b",
    "a\r\nBcc: everybody@example.org",
    "\ud800",
    "\u202e\ufeff\uffff",
    "e\u0301" * 500,
    "a" * 20_000,
    "a@" + "b." * 200 + "c",
    "9" * 400,
    "-1",
    "1e400",
    "NaN",
    "9999-12-31T23:59:60.999999999Z",
    "0000-00-00",
    "prd_",
    "prd_7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "",
]
VALUES_OF_OTHER_KINDS: list[Any] = [
    {"$gt": ""},
    {"$regex": ".*"},
    {"__proto__": {"role": "OWNER"}},
    ["a", {"$ne": None}],
    [[]],
    [None] * 200,
    2**31,
    2**53 + 1,
    -(2**63),
    2**64,
    10**400,
    1e308,
    -0.0,
    True,
    None,
]
HOSTILE = [*TEXTS, *VALUES_OF_OTHER_KINDS]
INSIDE = ("Traceback", 'File "', "pymongo", "MongoServer", "bson", "mongodb://", "E11000", "$jsonSchema", "NoneType", "object at 0x")
LONGEST_SECONDS = 2.0
SHARES = 9

Path = tuple[str | int, ...]


def places(kind: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """The paths of all places of an input type that take something, those that hold others included, each with what it takes."""
    yield path, str(kind).rstrip("!")
    if isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    if isinstance(kind, GraphQLList):
        yield from places(kind.of_type, (*path, 0))
    elif isinstance(kind, GraphQLInputObjectType):
        for name, field in kind.fields.items():
            yield from places(field.type, (*path, name))


def put(variables: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """The variables with a value at a path, as far as it leads."""
    changed: Any = copy.deepcopy(variables)
    parent = changed
    for step in path[:-1]:
        if not isinstance(parent[step], dict | list):
            parent[step] = {} if isinstance(path[-1], str) else [None]
        parent = parent[step]
    parent[path[-1]] = value
    return dict(changed)


def document_of(schema: GraphQLSchema, operation: str, name: str, field: GraphQLField) -> str:
    declared = ", ".join(f"${argument}: {place.type}" for argument, place in field.args.items())
    passed = ", ".join(f"{argument}: ${argument}" for argument in field.args)
    return f"{operation} ({declared}) {{ {name}({passed}) {selection(schema, get_named_type(field.type), 2)} }}"


def fill(ids: list[str]) -> Any:
    """Gives a place for an id one of the kind that its name speaks of, or any."""
    by_kind = {id[:3]: id for id in ids}
    hints = {"product": "prd", "category": "pct", "sale": "sal", "folder": "fld", "parent": "fld"}

    def filled(path: str) -> str:
        last = path.rsplit(".", 1)[-1].lower()
        return by_kind.get(next((kind for hint, kind in hints.items() if hint in last), ""), ids[0])

    return filled


@pytest.fixture
async def profile(database: Database) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """What has MongoDB note, from the call on, commands for which it looks through a whole collection."""
    yield lambda: database.command({"profile": 1, "filter": {"planSummary": {"$regex": "COLLSCAN"}}})
    await database.command({"profile": 0, "filter": "unset"})
    await database.command({"drop": "system.profile"})


async def scanned(database: Database) -> list[str]:
    reply = await database.command({"find": "system.profile", "filter": {"ns": {"$not": {"$regex": "system.profile$"}}}})
    return [f"{entry['ns']}: {entry['command']}"[:300] for entry in reply["cursor"]["firstBatch"]]


def tries(walked: GraphQLSchema, ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of the schema with a share of what is hostile: the next place of its type has the next share."""
    turns: Counter[str] = Counter()
    for operation, root in (("query", walked.query_type), ("mutation", walked.mutation_type)):
        for name, field in root.fields.items() if root is not None else ():
            document, good = document_of(walked, operation, name, field), variables_of(field, fill(ids))
            for path, kind in [found for argument, place in field.args.items() for found in places(place.type, (argument,))]:
                turns[kind] += 1
                for value in HOSTILE[turns[kind] % SHARES :: SHARES]:
                    yield document, put(good, path, value)


@pytest.mark.slow
async def test_no_place_of_the_schema_can_be_given_what_breaks_it(
    api: Api, schema: strawberry.Schema, database: Database, profile: Callable[[], Awaitable[object]]
) -> None:
    owner = await api.sign_up()
    product = await make_product(api, owner, categoryId=(await make_category(api, owner))["id"], sku="A-1", stock=3)
    await sell(api, owner, line(product))
    await keep_books(api, owner, "Rent", VALUES["Date"])
    await make_key(api, owner)
    caller = Caller(await api.scope_of(owner), "hostile")
    codes: Counter[str] = Counter()
    slowest: tuple[float, Any] = (0, None)
    await profile()
    for document, variables in tries(schema._schema, await ids_of(database, owner)):
        begun = time.perf_counter()
        answer = await answered(api, caller, GraphQLParams(document, variables))
        slowest = max(slowest, (time.perf_counter() - begun, f"{document} {variables}"[:2000]))
        codes.update(error["extensions"]["code"] for error in answer)
        assert codes["INTERNAL"] == 0, (document, variables)
        assert not any(word in str(answer) for word in INSIDE), (document, variables, answer)
    assert slowest[0] < LONGEST_SECONDS, slowest
    assert codes["INVALID_INPUT"] > 500
    assert await scanned(database) == []


async def answered(api: Api, caller: Caller, params: GraphQLParams) -> list[dict[str, Any]]:
    """The errors that an operation is answered with."""
    payload = await api.service.execute(api.service.prepare(params), params, caller)
    errors: list[dict[str, Any]] = orjson.loads(payload.body).get("errors", [])
    return errors


async def test_what_looks_through_a_collection_is_noticed(database: Database, profile: Callable[[], Awaitable[object]]) -> None:
    """The test above looks for what this does."""
    await database.command({"insert": "products", "documents": [{"_id": "x"}], "bypassDocumentValidation": True})
    await profile()
    await database.command({"find": "products", "filter": {"name": {"$regex": "x"}}})
    assert len(await scanned(database)) == 1
