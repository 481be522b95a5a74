"""`verify_live` for every field of `Query` and every nested field that reads: a field without a case fails the first test here."""

from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLSchema, get_named_type, is_object_type
from pymongo.asynchronous.database import AsyncDatabase

from gql.schema import build_schema
from tests.gql.api import Api
from tests.live import (
    cases_accounts,
    cases_audit,
    cases_dashboard,
    cases_files,
    cases_folders,
    cases_jobs,
    cases_keys,
    cases_members,
    cases_money,
    cases_payments,
    cases_pictures,
    cases_sales,
    cases_search,
    cases_webhooks,
)
from tests.live.cases import Case, Stall, case
from tests.live.verify import verify_live
from tests.resolvers.shop import adjust, make_category, make_product

pytestmark = pytest.mark.slow

UPDATE = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }"
UPDATE_CATEGORY = "mutation ($input: UpdateProductCategoryInput!) { updateProductCategory(input: $input) { id } }"
ARCHIVE = "mutation ($id: ID!) { archiveProduct(id: $id) { id } }"
RESTORE = "mutation ($id: ID!) { restoreProduct(id: $id) { id } }"
DELETE = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"
DELETE_CATEGORY = "mutation ($id: ID!, $to: ID) { deleteProductCategory(id: $id, moveProductsTo: $to) { id } }"
REORDER = "mutation ($ids: [ID!]!) { reorderProductCategories(ids: $ids) { id } }"
SETTINGS = "mutation ($input: UpdateSettingsInput!) { updateSettings(input: $input) { id } }"
PROFILE = "mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { id } }"


# --- changes ---


async def rename_cherry(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Cherry"], "name": "Aaa"})


async def rename_apple(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "name": "Zzz"})


async def reprice_damson(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Damson"], "price": "0.50"})


async def reprice_apple(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "price": "9.00"})


async def add_a_product(stall: Stall) -> None:
    await make_product(stall.api, stall.owner, "Aardvark", price="0.10", categoryId=stall.ids["Fruit"])


async def delete_damson(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["Damson"])


async def delete_banana(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["Banana"])


async def archive_apple(stall: Stall) -> None:
    await stall.do(ARCHIVE, id=stall.ids["Apple"])


async def archive_and_restore_and_archive_banana(stall: Stall) -> None:
    for document in (ARCHIVE, RESTORE, ARCHIVE):
        await stall.do(document, id=stall.ids["Banana"])


async def sell_out_of_apples(stall: Stall) -> None:
    await adjust(stall.api, stall.owner, stall.ids["Apple"], -11)


async def sell_cherries(stall: Stall) -> None:
    await adjust(stall.api, stall.owner, stall.ids["Cherry"], -2)


async def sell_cherries_bare(stall: Stall) -> None:
    await stall.driver.products.update_one({"_id": stall.ids["Cherry"]}, {"$set": {"stock": 0, "low_stock": True}})


async def stock_up_on_bananas(stall: Stall) -> None:
    await adjust(stall.api, stall.owner, stall.ids["Banana"], 20)


async def move_apple(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "categoryId": stall.ids["Tools"]})


async def take_apple_out_of_its_category(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "categoryId": None})


async def take_the_sku_of_apple(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "sku": None})
    await stall.do(UPDATE, input={"id": stall.ids["Banana"], "sku": "S-1"})


async def give_a_new_sku(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "sku": "NEW"})


async def rename_the_category(stall: Stall) -> None:
    await stall.do(UPDATE_CATEGORY, input={"id": stall.ids["Fruit"], "name": "Obst"})


async def add_a_category(stall: Stall) -> None:
    await make_category(stall.api, stall.owner, "Drinks")


async def reorder(stall: Stall) -> None:
    await stall.do(REORDER, ids=[stall.ids["Tools"], stall.ids["Fruit"]])


async def delete_the_category(stall: Stall) -> None:
    await stall.do(DELETE_CATEGORY, id=stall.ids["Fruit"], to=stall.ids["Tools"])


async def delete_the_movements_bare(stall: Stall) -> None:
    await stall.driver.stock_movements.delete_many({"product_id": stall.ids["Apple"]})


async def rename_the_business(stall: Stall) -> None:
    await stall.do(SETTINGS, input={"businessName": "Greengrocer"})


async def rename_oneself(stall: Stall) -> None:
    await stall.do(PROFILE, input={"name": "Augusta"})


async def become_staff_bare(stall: Stall) -> None:
    """The row of the account itself: only a bare driver changes it yet."""
    await stall.driver.accounts.update_one({"_id": stall.ids["account"]}, {"$currentDate": {"updated_at": True}})


NAMES = "{ nodes { id name } pageInfo { hasNextPage endCursor } }"
STOCKS = "{ edges { cursor node { name stock lowStock } } }"
DELTAS = "{ nodes { delta stockAfter } pageInfo { hasNextPage } }"

LISTS = [
    case("Query.products", f"products(first: 2) {NAMES}", rename_cherry),
    case("Query.products", f"products(first: 2) {NAMES}", add_a_product),
    case("Query.products", f"products(first: 3) {NAMES}", delete_damson),
    case("Query.products", f"products(first: 2, descending: true) {NAMES}", rename_apple),
    case("Query.products", f"products(first: 2, after: <<apple>>) {NAMES}", delete_banana),
    case("Query.products", f"products(first: 3, after: <<apple>>) {NAMES}", rename_apple),
    case("Query.products", f"products(archived: true) {NAMES}", archive_apple),
    case("Query.products", f"products(archived: true, orderBy: STOCK) {NAMES}", archive_and_restore_and_archive_banana),
    case("Query.products", f"products(first: 2, orderBy: CREATED_AT, descending: true) {NAMES}", add_a_product),
    case("Query.products", f"products(first: 2, orderBy: CREATED_AT) {NAMES}", archive_apple),
    case("Query.products", f"products(first: 2, orderBy: PRICE) {NAMES}", reprice_damson),
    case("Query.products", f"products(first: 2, orderBy: PRICE, descending: true) {NAMES}", reprice_apple),
    case("Query.products", f"products(first: 2, orderBy: STOCK) {STOCKS}", sell_out_of_apples),
    case("Query.products", f"products(first: 2, orderBy: STOCK, descending: true) {STOCKS}", stock_up_on_bananas),
    case("Query.products", f"products(lowStock: true) {STOCKS}", sell_cherries),
    case("Query.products", f"products(lowStock: true) {STOCKS}", sell_cherries_bare),
    case("Query.products", f"products(lowStock: false, orderBy: STOCK, first: 2) {STOCKS}", sell_cherries),
    case("Query.products", f"products(categoryId: <Fruit>, first: 2) {NAMES}", move_apple),
    case("Query.products", f"products(categoryId: <Tools>) {NAMES}", move_apple),
    case("Query.products", f"products(categoryId: <Fruit>, orderBy: CREATED_AT, first: 2) {NAMES}", take_apple_out_of_its_category),
    case("Query.products", f"products(categoryId: <Fruit>, orderBy: PRICE, first: 2) {NAMES}", reprice_damson),
    case("Query.products", f"products(categoryId: <Fruit>, orderBy: STOCK, first: 2) {NAMES}", sell_out_of_apples),
    case("Query.products", f"products(categoryId: <Fruit>, lowStock: true) {NAMES}", sell_cherries),
    case("Query.stockMovements", f"stockMovements(productId: <Apple>, first: 2) {DELTAS}", sell_out_of_apples),
    case("Query.stockMovements", f"stockMovements(productId: <Apple>, after: <<movement>>) {DELTAS}", delete_the_movements_bare),
    case("Query.productCategories", "productCategories(first: 1) { nodes { name } }", reorder),
    case("Query.productCategories", "productCategories(first: 2) { pageInfo { hasNextPage } }", add_a_category),
    case("Query.productCategories", "productCategories(after: <<fruit>>) { edges { cursor node { name productCount } } }", move_apple),
    case("Query.productCategories", "productCategories { nodes { name } }", delete_the_category),
]

ROWS = [
    case("Query.product", "product(id: <Apple>) { name price updatedAt }", reprice_apple),
    case("Query.product", "product(id: <Damson>) { name }", delete_damson),
    case("Query.productBySku", 'productBySku(sku: "S-1") { name }', take_the_sku_of_apple),
    case("Query.productBySku", 'productBySku(sku: "S-1") { name }', rename_apple),
    case("Query.productBySku", 'productBySku(sku: "NEW") { name }', give_a_new_sku),
    case("Query.productCategory", "productCategory(id: <Fruit>) { name }", rename_the_category),
    case("Query.productCategory", "productCategory(id: <Fruit>) { productCount }", delete_the_category),
    case("Query.node", "node(id: <Apple>) { id updatedAt ... on Product { name } }", rename_apple),
    case("Query.node", "node(id: <Damson>) { id }", delete_damson),
    case("Query.node", "node(id: <user>) { ... on User { name } }", rename_oneself),
    case("Query.nodes", "nodes(ids: [<Tools>, <Damson>, <Fruit>]) { id ... on ProductCategory { productCount } }", delete_damson),
    case("Query.settings", "settings { businessName }", rename_the_business),
    case("Query.viewer", "viewer { name }", rename_oneself),
]

NESTED = [
    case("Query.viewer User.account Account.settings", "viewer { account { settings { businessName } } }", rename_the_business),
    case("Query.viewer User.account User.role", "viewer { role account { updatedAt } }", become_staff_bare),
    case("Query.product Product.category", "product(id: <Apple>) { category { name } }", rename_the_category),
    case("Query.products Product.category", "products(first: 2) { nodes { category { name } } }", move_apple),
    case("Query.product Product.category", "product(id: <Apple>) { category { name } }", take_apple_out_of_its_category),
    case("Query.product Product.stockMovements", f"product(id: <Apple>) {{ stockMovements(first: 1) {DELTAS} }}", sell_out_of_apples),
    case("Query.products Product.stockMovements", f"products {{ nodes {{ stockMovements {DELTAS} }} }}", sell_cherries),
    case(
        "Query.stockMovements StockMovement.product",
        "stockMovements(productId: <Apple>) { nodes { product { name } } }",
        rename_apple,
    ),
    case("Query.productCategory ProductCategory.products", f"productCategory(id: <Fruit>) {{ products(first: 2) {NAMES} }}", rename_cherry),
    case("Query.productCategory ProductCategory.products", f"productCategory(id: <Tools>) {{ products {NAMES} }}", move_apple),
    case(
        "Query.productCategory ProductCategory.products",
        f"productCategory(id: <Fruit>) {{ products(first: 1, orderBy: PRICE, after: <<cheapest>>) {NAMES} }}",
        delete_banana,
    ),
    case(
        "Query.productCategories ProductCategory.products",
        f"productCategories {{ nodes {{ products(first: 1, orderBy: STOCK, descending: true) {STOCKS} }} }}",
        sell_out_of_apples,
    ),
    case(
        "Query.productCategories ProductCategory.products Product.category Product.stockMovements",
        f"productCategories {{ nodes {{ products(archived: true) {{ nodes {{ category {{ name }} stockMovements {DELTAS} }} }} }} }}",
        archive_apple,
    ),
]


OTHER_MODULES = (
    cases_search,
    cases_sales,
    cases_dashboard,
    cases_money,
    cases_payments,
    cases_keys,
    cases_accounts,
    cases_webhooks,
    cases_members,
    cases_audit,
    cases_files,
    cases_folders,
    cases_pictures,
    cases_jobs,
)
OTHERS = [one for module in OTHER_MODULES for one in module.CASES]
"""Those of modules with a file of their own."""

CASES = [*LISTS, *ROWS, *NESTED, *OTHERS]

OF_NO_ROW = {"Query.engine"}
"""Figures of the process itself, which a live result shows anew every second: there is no row whose change could be waited for."""


def fields_that_read(schema: GraphQLSchema) -> set[str]:
    """`Type.field` of every field of `Query`, and of every field of a type under it that has a resolver of its own."""
    assert schema.query_type is not None
    found: set[str] = set()
    waiting, met = [schema.query_type], {schema.query_type.name}
    while waiting:
        above = waiting.pop()
        for name, declared in above.fields.items():
            below = get_named_type(declared.type)
            implementing = schema.get_possible_types(below) if isinstance(below, GraphQLInterfaceType) else [below]
            objects = [found for found in implementing if is_object_type(found) and isinstance(found, GraphQLObjectType)]
            if above is schema.query_type or _reads(above.name, declared.extensions):
                found.add(f"{above.name}.{name}")
            waiting += [type for type in objects if type.name not in met]
            met |= {type.name for type in objects}
    return found


def _reads(type_name: str, extensions: dict[str, Any]) -> bool:
    definition = extensions["strawberry-definition"]
    # A page's cursors and edges are made of what the page has read.
    return definition.base_resolver is not None and not type_name.endswith(("Connection", "Edge", "PageInfo"))


def test_every_field_that_reads_has_a_case() -> None:
    covered = {name for parameters in CASES for name in parameters.values[0].fields}
    fields = fields_that_read(build_schema()._schema)
    assert {"Query.products", "Product.stockMovements", "User.role"} <= fields
    assert fields - covered - OF_NO_ROW == set()
    assert covered - fields == set(), "cases of fields that are no more"


@pytest.fixture
async def stall(api: Api, driver: AsyncDatabase[dict[str, Any]]) -> Stall:
    """The shop, open."""
    stall = Stall(api, await api.sign_up(), driver)
    await stall.open()
    return stall


@pytest.mark.parametrize("case", CASES)
async def test_a_change_that_matters_reaches_the_live_result(stall: Stall, case: Case) -> None:
    if case.prepare is not None:
        await case.prepare(stall)
    await verify_live(stall.api, stall.filled(f"{{ {case.selection} }}"), lambda: case.change(stall), caller=stall.owner)
