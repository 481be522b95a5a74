"""Pictures of products and people, and the logo of a business."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from datastore import schema as tables
from datastore.database import Database
from datastore.errors import ForbiddenError
from resolvers.file_references import shown_file, usable_picture
from resolvers.functions import MutationContext, QueryContext
from tests.gql.api import Api, Person
from tests.live.verify import verify_live
from tests.resolvers.conftest import Unchanged, contents
from tests.resolvers.gallery import SET_AVATAR, SET_IMAGE, SET_LOGO, calls, hang_up, hang_up_and_shrink
from tests.resolvers.shop import CREATE_PRODUCT, make_product
from tests.resolvers.uploading import DELETE, create, store

EMPTY = "mutation { emptyBin { id } }"
RESTORE = "mutation ($id: ID!) { restoreFile(id: $id) { id } }"
MISSING = "fil_01J0000000000000000000000A"


@dataclass(frozen=True)
class Place:
    """Where a picture is shown: the mutation that puts it there, the query that shows it."""

    name: str
    put: str
    show: str
    column: str

    def __str__(self) -> str:
        return self.name


PLACES = [
    Place("image", SET_IMAGE, "{ it: products { nodes { image { name } } } }", "input.imageId"),
    Place("logo", SET_LOGO, "{ it: settings { logo { name } } }", "input.logoId"),
    Place("avatar", SET_AVATAR, "{ it: viewer { avatar { name } } }", "input.avatarId"),
]


@pytest.fixture
async def product_id(api: Api, owner: Person) -> str:
    """A product without a picture."""
    return str((await make_product(api, owner))["id"])


async def put(api: Api, owner: Person, place: Place, product_id: str, id: Any) -> dict[str, Any]:
    """The response to putting a picture there."""
    declared = {"product": product_id} if place.name == "image" else {}
    return await api.execute(place.put, declared | {"id": id}, caller=owner)


async def shown(api: Api, owner: Person, place: Place) -> str | None:
    """The name of the picture that is shown there."""
    found: Any = (await api.data(place.show, caller=owner))["it"]
    found = found["nodes"][0] if "nodes" in found else found
    picture = found[place.name]
    return None if picture is None else str(picture["name"])


@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_a_picture_is_shown_where_it_was_put_until_it_is_taken_away(api: Api, owner: Person, product_id: str, place: Place) -> None:
    id = await hang_up(api, owner)
    assert "errors" not in await put(api, owner, place, product_id, id)
    assert await shown(api, owner, place) == "photo.jpg"
    await put(api, owner, place, product_id, None)
    assert await shown(api, owner, place) is None


@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_it_is_not_shown_from_the_bin_and_forgotten_for_good_when_that_is_emptied(
    api: Api, owner: Person, product_id: str, place: Place, database: Database
) -> None:
    id = await hang_up(api, owner)
    await put(api, owner, place, product_id, id)

    async def look(document: str, **values: Any) -> None:
        await api.data(document, values, caller=owner)

    await verify_live(api, place.show, lambda: look(DELETE, id=id), caller=owner)
    assert await shown(api, owner, place) is None
    await verify_live(api, place.show, lambda: look(RESTORE, id=id), caller=owner)
    assert await shown(api, owner, place) == "photo.jpg"
    await look(DELETE, id=id)
    await look(EMPTY)
    assert await shown(api, owner, place) is None
    stored = await contents(database)
    assert stored["files"] == []
    assert {row[column] for table, column in USES for row in stored[table]} == {None}


USES = (("products", "image_id"), ("settings", "logo_id"), ("members", "avatar_id"))


@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_what_is_no_picture_of_ones_own_is_refused(
    api: Api, owner: Person, stranger: Person, product_id: str, place: Place, nothing_written: Unchanged
) -> None:
    text = await store(api, owner)
    svg = await store(api, owner, b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "x.svg", "image/svg+xml")
    pending = (await create(api, owner, b"x", "p.png", "image/png"))["file"]
    theirs, binned = await hang_up(api, stranger), await hang_up(api, owner)
    await api.data(DELETE, {"id": binned}, caller=owner)
    async with nothing_written():
        for id, code in (
            (text["id"], "INVALID_INPUT"),
            (svg["id"], "INVALID_INPUT"),
            (pending["id"], "INVALID_INPUT"),
            (product_id, "INVALID_INPUT"),
            ("\0", "INVALID_INPUT"),
            ("", "INVALID_INPUT"),
            (theirs, "NOT_FOUND"),
            (binned, "NOT_FOUND"),
            (MISSING, "NOT_FOUND"),
        ):
            [error] = (await put(api, owner, place, product_id, id))["errors"]
            assert error["extensions"]["code"] == code, (id, error)
            if code == "INVALID_INPUT":
                assert [problem["path"] for problem in error["extensions"]["fields"]] == [place.column]


async def test_a_new_product_may_have_a_picture_from_the_start(api: Api, owner: Person) -> None:
    id = await hang_up_and_shrink(api, owner)
    document = CREATE_PRODUCT.replace("category { id }", "image { id thumbnails { size } }")
    made = (await api.data(document, {"input": {"name": "Assam", "price": "1", "imageId": id}}, caller=owner))["createProduct"]
    assert made["image"] == {"id": id, "thumbnails": [{"size": "SMALL"}, {"size": "LARGE"}]}


async def test_the_pictures_of_a_page_are_read_together(api: Api, owner: Person) -> None:
    ids = [await hang_up(api, owner, None, f"{number}.jpg") for number in range(2)]
    for number in range(4):
        await make_product(api, owner, f"Tea {number}", imageId=ids[number % 2])
    data = await api.data("{ products { nodes { image { name } } } }", caller=owner)
    assert [node["image"]["name"] for node in data["products"]["nodes"]] == ["0.jpg", "1.jpg"] * 2


async def test_a_picture_that_is_deleted_as_it_is_put_somewhere_is_not_left_hanging(
    api: Api, owner: Person, product_id: str, database: Database
) -> None:
    for _ in range(4):
        id = await hang_up(api, owner)
        await asyncio.gather(put(api, owner, PLACES[0], product_id, id), api.execute(DELETE, {"id": id}, caller=owner))
        await api.data(EMPTY, caller=owner)
        stored = await contents(database)
        assert stored["files"] == []
        assert [row["image_id"] for row in stored["products"]] == [None]


async def test_staff_see_the_pictures_of_products_and_take_none_of_them_for_themselves(api: Api, owner: Person, product_id: str) -> None:
    id = await hang_up_and_shrink(api, owner)
    await put(api, owner, PLACES[0], product_id, id)
    staff = calls(api, owner, "STAFF")
    picture = await staff.query(_image, product_id=product_id)
    assert picture is not None
    assert picture.name == "photo.jpg"
    with pytest.raises(ForbiddenError):
        await staff.mutate(_take, file_id=id)


async def _image(ctx: QueryContext, product_id: str) -> Any:
    row = await ctx.db.get(tables.Product, product_id)
    assert row is not None
    return await shown_file(ctx.db, row.image_id)


async def _take(ctx: MutationContext, file_id: str) -> str | None:
    return await usable_picture(ctx.db, file_id, "input.avatarId")
