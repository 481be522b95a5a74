"""The feed of changes, through the API."""

import pytest

from datastore.tables import OwnedRow
from datastore.versions import Version, to_wire
from gql.app import open_service
from resolvers.changes import ChangedTable
from resolvers.nodes import tables_by_type
from resolvers.services import Services
from tests.datastore.failpoints import failing
from tests.gql.api import Api, Person
from tests.gql.followers import caught_up, following
from tests.resolvers.shop import make_category, make_product

REFRESH = "mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }"
DELETE_CATEGORY = "mutation ($id: ID!) { deleteProductCategory(id: $id) { id } }"
DELETE_PRODUCT = "mutation ($id: ID!) { deleteProduct(id: $id) { id } }"
UPDATE_CATEGORY = "mutation ($input: UpdateProductCategoryInput!) { updateProductCategory(input: $input) { id } }"


async def version_now(api: Api, owner: Person) -> str:
    """The version of a change that has just been made."""
    answer = await api.execute('mutation { updateSettings(input: { businessName: "Shop" }) { id } }', caller=owner)
    version: str = answer["extensions"]["version"]
    return version


async def rename(api: Api, owner: Person, id: str, name: str) -> None:
    await api.data(UPDATE_CATEGORY, {"input": {"id": id, "name": name}}, caller=owner)


async def delete(api: Api, owner: Person, id: str) -> None:
    await api.data(DELETE_CATEGORY, {"id": id}, caller=owner)


def test_every_table_whose_rows_the_api_shows_can_be_followed() -> None:
    shown = {table.spec.name for table in tables_by_type().values() if issubclass(table, OwnedRow) and table.spec.followed}
    assert {str(table.value) for table in ChangedTable} == shown


async def test_a_row_is_followed_from_its_making_to_its_end(api: Api, owner: Person) -> None:
    await api.settle()
    async with following(api, owner) as followed:
        await caught_up(api)
        tea = (await make_category(api, owner, "Tea"))["id"]
        await followed.count(1)
        await rename(api, owner, tea, "Teas")
        await followed.count(2)
        await delete(api, owner, tea)
        changes = await followed.count(3)
    assert followed.told == [("INSERT", tea), ("UPDATE", tea), ("DELETE", tea)]
    assert [change["node"] and change["node"]["name"] for change in changes] == ["Tea", "Teas", None]
    assert [change["changedFields"] for change in changes] == [None, ["updatedAt", "name"], None]
    assert {change["table"] for change in changes} == {"PRODUCT_CATEGORIES"}
    assert sorted({change["version"] for change in changes}) == [change["version"] for change in changes]
    assert len({change["cursor"] for change in changes}) == 3


async def test_a_change_carries_the_version_that_its_mutation_answered(api: Api, owner: Person) -> None:
    async with following(api, owner) as followed:
        await caught_up(api)
        answer = await api.execute('mutation { createProductCategory(input: { name: "Tea" }) { id } }', caller=owner)
        [change] = await followed.count(1)
    assert change["version"] == answer["extensions"]["version"]


async def test_the_changes_of_one_mutation_come_together_and_all(api: Api, owner: Person) -> None:
    category = await make_category(api, owner, "Fruit")
    async with following(api, owner) as followed:
        await caught_up(api)
        product = await make_product(api, owner, name="Apple", stock=5, categoryId=category["id"])
        made = await followed.count(4)
        assert {(change["operation"], change["table"]) for change in made} == {
            ("INSERT", "PRODUCTS"),
            ("INSERT", "STOCK_MOVEMENTS"),
            ("UPDATE", "PRODUCT_CATEGORIES"),
            ("UPDATE", "SETTINGS"),  # from the first amount on, the currency stays
        }
        assert len({change["version"] for change in made}) == 1
        await api.data(DELETE_PRODUCT, {"id": product["id"]}, caller=owner)
        ended = (await followed.count(7))[4:]
    assert {(change["operation"], change["table"]) for change in ended} == {
        ("DELETE", "PRODUCTS"),
        ("DELETE", "STOCK_MOVEMENTS"),
        ("UPDATE", "PRODUCT_CATEGORIES"),
    }
    assert len({change["version"] for change in ended}) == 1


async def test_only_the_tables_asked_for_are_told_of(api: Api, owner: Person) -> None:
    async with following(api, owner, tables=["PRODUCTS"]) as followed:
        await caught_up(api)
        await make_category(api, owner, "Tea")
        product = await make_product(api, owner)
        await followed.count(1)
    assert followed.told == [("INSERT", product["id"])]


async def test_a_stranger_is_told_of_nothing_and_gets_no_use_from_a_cursor(api: Api, owner: Person, stranger: Person) -> None:
    start = await version_now(api, stranger)
    async with following(api, owner) as followed, following(api, stranger) as listening, following(api, stranger, after=start) as caught:
        await caught_up(api, 3)
        tea = (await make_category(api, owner, "Tea"))["id"]
        await rename(api, owner, tea, "Teas")
        await followed.count(2)
        await delete(api, owner, tea)
        await followed.count(3)
        mine = (await make_category(api, stranger, "Mine"))["id"]
        await listening.count(1)
        await caught.count(1)
    assert listening.told == caught.told == [("INSERT", mine)]
    async with following(api, stranger, after=followed.changes[0]["cursor"]) as foreign:
        assert await foreign.end() == "INVALID_INPUT"
    async with following(api, stranger, after=start) as again:
        await again.count(1)
    assert again.told == [("INSERT", mine)]


async def test_neither_sessions_nor_keys_nor_guards_are_told_of(api: Api, owner: Person) -> None:
    start = await version_now(api, owner)
    async with following(api, owner) as followed:
        await caught_up(api)
        await api.execute('mutation { updateProfile(input: { locale: "de" }) { id } }', caller=owner, idempotency_key="k")
        await api.execute(REFRESH, {"token": owner.refresh_token})
        last = (await make_category(api, owner, "Last"))["id"]
        await followed.count(1)
    assert followed.told == [("INSERT", last)]
    async with following(api, owner, after=start) as again:
        await again.count(1)
    assert again.told == [("INSERT", last)]


async def test_a_break_loses_nothing_and_repeats_nothing(api: Api, owner: Person) -> None:
    start = await version_now(api, owner)
    made = [(await make_category(api, owner, str(number)))["id"] for number in range(1, 6)]
    got: list[tuple[str, str]] = []
    after = start
    for _ in made:
        async with following(api, owner, after=after) as followed:
            [*_, change] = (await followed.count(1))[:1]
            got.append((change["operation"], change["id"]))
            after = change["cursor"]
    assert got == [("INSERT", id) for id in made]


async def test_a_break_amid_a_mutation_s_changes_goes_on_amid_them(api: Api, owner: Person) -> None:
    category = await make_category(api, owner, "Fruit")
    async with following(api, owner) as followed:
        await caught_up(api)
        await make_product(api, owner, stock=5, categoryId=category["id"])
        changes = await followed.count(4)
    for position, change in enumerate(changes[:-1]):
        async with following(api, owner, after=change["cursor"]) as again:
            await again.count(len(changes) - position - 1)
        assert again.told == followed.told[position + 1 :]


async def test_a_restart_of_the_process_loses_nothing(api: Api, owner: Person, services: Services) -> None:
    async with following(api, owner) as followed:
        await caught_up(api)
        first = (await make_category(api, owner, "1"))["id"]
        [change] = await followed.count(1)
    meanwhile = (await make_category(api, owner, "2"))["id"]
    async with open_service(services) as service:
        other = Api(service, services)
        async with following(other, owner, after=change["cursor"]) as again:
            await again.count(1)
            await caught_up(other)
            last = (await make_category(api, owner, "3"))["id"]
            await again.count(2)
    assert [*followed.told, *again.told] == [("INSERT", id) for id in (first, meanwhile, last)]


async def test_a_copy_begun_with_a_live_result_s_version_misses_nothing(api: Api, owner: Person) -> None:
    await make_category(api, owner, "before")
    async with api.watch("subscription { live { productCategories { nodes { id } } } }", caller=owner) as watching:
        version = watching.results[0]["extensions"]["live"]["version"]
    made = (await make_category(api, owner, "after"))["id"]
    async with following(api, owner, after=version) as followed:
        await followed.count(1)
    assert followed.told == [("INSERT", made)]


@pytest.mark.parametrize("after", ["", "x", "x" * 10_000, "é", "0" * 15, "f" * 16, "g" * 16, "\x00"])
async def test_what_is_no_cursor_is_refused(api: Api, owner: Person, after: str) -> None:
    async with following(api, owner, after=after) as followed:
        assert await followed.end() == "INVALID_INPUT"
        assert followed.results[-1]["errors"][0]["extensions"]["fields"][0]["path"] == "after"


async def test_a_tampered_cursor_is_refused(api: Api, owner: Person) -> None:
    async with following(api, owner) as followed:
        await caught_up(api)
        await make_category(api, owner, "Tea")
        [change] = await followed.count(1)
    cursor = change["cursor"]
    for tampered in (cursor[:-1], cursor + "A", cursor[:40] + ("A" if cursor[40] != "A" else "B") + cursor[41:]):
        async with following(api, owner, after=tampered) as refused:
            assert await refused.end() == "INVALID_INPUT"


@pytest.mark.parametrize("after", ["0" * 16, "0" * 15 + "1", to_wire(Version(1_000_000_000 << 32))])
async def test_where_everything_was_kept_it_is_told_from_the_beginning(api: Api, owner: Person, after: str) -> None:
    tea = (await make_category(api, owner, "Tea"))["id"]
    async with following(api, owner, tables=["PRODUCT_CATEGORIES"], after=after) as followed:
        await followed.count(1)
    assert followed.told == [("INSERT", tea)]


async def test_a_cursor_that_is_older_than_the_oplog_is_a_conflict(api: Api, owner: Person, services: Services) -> None:
    async with following(api, owner) as followed:
        await caught_up(api)
        await make_category(api, owner, "1")
        await make_category(api, owner, "2")
        [change, _] = await followed.count(2)
    # ChangeStreamHistoryLost, as the server says it when the oplog has gone on without us: an oplog of less than 990 MB it does not allow.
    gone = failing(services.settings.mongodb_uri or "", "aggregate", errorCode=286)
    async with gone, following(api, owner, after=change["cursor"]) as again:
        assert await again.end() == "CONFLICT"
        assert "read everything again" in again.results[-1]["errors"][0]["message"]


async def test_who_is_not_signed_in_follows_nothing(api: Api) -> None:
    async with following(api, None) as followed:
        assert await followed.end() == "UNAUTHENTICATED"


async def test_no_table_at_all_is_refused(api: Api, owner: Person) -> None:
    async with following(api, owner, tables=[]) as followed:
        assert await followed.end() == "INVALID_INPUT"


async def test_an_unknown_table_is_refused(api: Api, owner: Person) -> None:
    async with following(api, owner, tables=["USERS"]) as followed:
        assert await followed.end() == "INVALID_INPUT"


async def test_signing_out_ends_the_following(api: Api, owner: Person) -> None:
    async with following(api, owner) as followed:
        await caught_up(api)
        await api.data("mutation { signOut }", caller=owner)
        assert await followed.end() == "UNAUTHENTICATED"


async def test_a_fragment_on_the_subscription_is_followed_too(api: Api, owner: Person) -> None:
    query = "subscription { ...A } fragment A on Subscription { ... on Subscription { c: changes(tables: PRODUCTS) { id } } }"
    async with following(api, owner, query=query) as followed:
        await caught_up(api)
        product = await make_product(api, owner)
        await followed.until(lambda: followed.results)
    assert followed.results == [{"data": {"c": {"id": product["id"]}}}]
