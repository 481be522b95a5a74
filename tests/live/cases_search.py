"""Lists that are searched."""

from tests.live.cases import Stall, case
from tests.resolvers.shop import make_product

UPDATE = "mutation ($input: UpdateProductInput!) { updateProduct(input: $input) { id } }"
ARCHIVE = "mutation ($id: ID!) { archiveProduct(id: $id) { id } }"
DELETE = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"
NAMES = "{ nodes { id name } pageInfo { hasNextPage } }"


async def rename_apple_to_a_second_banana(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Apple"], "name": "Apple-banana"})


async def rename_banana(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Banana"], "name": "Plantain"})


async def give_damson_a_barcode(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Damson"], "barcode": "4006381333931"})


async def archive_banana(stall: Stall) -> None:
    await stall.do(ARCHIVE, id=stall.ids["Banana"])


async def delete_cherry(stall: Stall) -> None:
    await stall.do(DELETE, id=stall.ids["Cherry"])


async def add_a_banana(stall: Stall) -> None:
    await make_product(stall.api, stall.owner, "Big banana", sku="S-9", categoryId=stall.ids["Fruit"])


async def move_banana(stall: Stall) -> None:
    await stall.do(UPDATE, input={"id": stall.ids["Banana"], "categoryId": stall.ids["Tools"]})


async def give_apple_another_search_key_bare(stall: Stall) -> None:
    await stall.driver.products.update_one({"_id": stall.ids["Apple"]}, {"$push": {"search_keys": "ban"}})


async def replace_one_search_key_bare(stall: Stall) -> None:
    await stall.driver.products.update_one({"_id": stall.ids["Banana"], "search_keys": "ban"}, {"$set": {"search_keys.$": "xxx"}})


CASES = [
    case("Query.products", f'products(search: "ban") {NAMES}', rename_apple_to_a_second_banana),
    case("Query.products", f'products(search: "ban") {NAMES}', rename_banana),
    case("Query.products", f'products(search: "ban", first: 1) {NAMES}', add_a_banana),
    case("Query.products", f'products(search: "ban", first: 1, descending: true) {NAMES}', add_a_banana),
    case("Query.products", f'products(search: "s 3") {NAMES}', delete_cherry),
    case("Query.products", f'products(search: "s", first: 1, after: <<found>>) {NAMES}', rename_banana),
    case("Query.products", f'products(search: "BÁNANA app") {NAMES}', rename_apple_to_a_second_banana),
    case("Query.products", f'products(search: "400638") {NAMES}', give_damson_a_barcode),
    case("Query.products", f'products(search: "ban", archived: true) {NAMES}', archive_banana),
    case("Query.products", f'products(search: "ban", categoryId: <Tools>) {NAMES}', move_banana),
    case("Query.products", f'products(search: "ban") {NAMES}', give_apple_another_search_key_bare),
    case("Query.products", f'products(search: "ban") {NAMES}', replace_one_search_key_bare),
    case(
        "Query.productCategory ProductCategory.products",
        f'productCategory(id: <Fruit>) {{ products(search: "ban s", first: 2) {NAMES} }}',
        add_a_banana,
    ),
    case(
        "Query.productCategories ProductCategory.products",
        f'productCategories {{ nodes {{ products(search: "ban s") {NAMES} }} }}',
        move_banana,
    ),
]
