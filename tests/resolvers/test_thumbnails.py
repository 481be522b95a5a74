import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from datastore.database import Database
from resolvers.functions import MutationContext
from resolvers.services import Services
from resolvers.thumbnails import make_thumbnails
from resolvers.verify_files import verify_files
from tests.gql.api import Api, Person
from tests.jobs import work_off
from tests.live.verify import verify_live
from tests.resolvers.conftest import contents
from tests.resolvers.gallery import FILE, calls, file_of, hang_up, hang_up_and_shrink
from tests.resolvers.painting import colour_at, film, opened, painted, photo, png_of_size
from tests.resolvers.shop import problems
from tests.resolvers.uploading import DELETE, fetch, store

SVG = b"<svg xmlns='http://www.w3.org/2000/svg'></svg>"
URLS = "query ($id: ID!, $seconds: Int!) { file(id: $id) { thumbnails { url(expiresIn: $seconds) } } }"


async def stored_keys(services: Services, owner: Person) -> list[str]:
    return [blob.key async for blob in services.outside.blobs.find(f"files/{owner.account_id}/")]


async def test_a_picture_has_two_thumbnails_moments_after_it_is_ready(api: Api, owner: Person) -> None:
    id = await hang_up(api, owner, photo())
    assert (await file_of(api, owner, id))["thumbnails"] == []
    await work_off(api.services)
    small, large = (await file_of(api, owner, id))["thumbnails"]
    assert (small["size"], small["width"], small["height"]) == ("SMALL", 64, 128)
    assert (large["size"], large["width"], large["height"]) == ("LARGE", 200, 400)
    response = await fetch(large["url"])
    assert (response.status_code, response.headers["content-type"]) == (200, "image/webp")
    assert opened(response.content).size == (200, 400)
    assert [colour_at(response.content, 100, 50), colour_at(response.content, 100, 350)] == ["blue", "red"]
    assert b"EXIF" not in response.content


async def test_thumbnails_appear_in_what_is_watched(api: Api, owner: Person) -> None:
    id = await hang_up(api, owner)
    selection = "{ file(id: $id) { thumbnails { size width url } } files { nodes { thumbnails { height } } } }"
    await verify_live(api, selection, lambda: work_off(api.services), caller=owner, variables="($id: ID!)", values={"id": id})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (png_of_size(50_000, 50_000), "The picture has more than 40,000,000 pixels."),
        (png_of_size(300, 300), "The file is broken, or no picture of its type."),
    ],
)
async def test_of_a_bomb_or_a_broken_picture_the_file_says_why_there_are_none(
    api: Api, owner: Person, database: Database, content: bytes, says: str
) -> None:
    id = await hang_up(api, owner, content, "bomb.png", "image/png")
    await work_off(api.services)
    found = await file_of(api, owner, id)
    assert (found["thumbnailProblem"], found["thumbnails"]) == (says, [])
    [job] = [row for row in (await contents(database))["jobs"] if row["kind"] == "makeThumbnails"]
    assert (job["status"], job["attempts"], job["error"]) == ("FAILED", 1, says)


async def test_a_photo_that_breaks_off_says_so(api: Api, owner: Person) -> None:
    whole = painted(900, 700, colour="blue")
    found = await file_of(api, owner, await hang_up_and_shrink(api, owner, whole[: len(whole) // 2]))
    assert found["thumbnailProblem"] == "The file is broken, or no picture of its type."


async def test_a_film_of_a_thousand_frames_shows_its_first(api: Api, owner: Person) -> None:
    id = await hang_up_and_shrink(api, owner, film(1000), "film.gif", "image/gif")
    [small, _] = (await file_of(api, owner, id))["thumbnails"]
    assert colour_at((await fetch(small["url"])).content) == "red"


@pytest.mark.parametrize(("content", "kind"), [(SVG, "image/svg+xml"), (b"Hello", "text/plain")])
async def test_what_is_no_picture_of_ours_has_none_and_costs_no_job(
    api: Api, owner: Person, database: Database, content: bytes, kind: str
) -> None:
    file = await store(api, owner, content, "x", kind)
    assert (await contents(database))["jobs"] == []
    assert await file_of(api, owner, file["id"]) == {"name": "x", "thumbnailProblem": None, "thumbnails": []}


async def test_thumbnails_are_made_once_however_often_that_is_tried(api: Api, owner: Person, database: Database) -> None:
    id = await hang_up(api, owner)

    async def plan(ctx: MutationContext) -> None:
        await ctx.schedule(make_thumbnails, {"file_id": id})

    await asyncio.gather(*(calls(api, owner).mutate(plan) for _ in range(3)))
    await work_off(api.services)
    assert len((await contents(database))["thumbnails"]) == 2


async def test_thumbnails_go_for_good_with_their_file(api: Api, owner: Person, database: Database, services: Services) -> None:
    id = await hang_up_and_shrink(api, owner)
    assert len(await stored_keys(services, owner)) == 3
    await api.data(DELETE, {"id": id}, caller=owner)
    assert len((await file_of(api, owner, id))["thumbnails"]) == 2
    await api.data("mutation { emptyBin { id } }", caller=owner)
    assert (await contents(database))["thumbnails"] == []
    await work_off(api.services, until=api.services.clock() + timedelta(minutes=2))
    assert await stored_keys(services, owner) == []


async def test_thumbnails_are_no_rubbish_in_the_store(api: Api, owner: Person, services: Services) -> None:
    await hang_up_and_shrink(api, owner)
    later = services.clock() + timedelta(days=9)
    found = await verify_files(replace(services, clock=lambda: later), owner.account_id, mend=True)
    assert (found.findings, found.objects) == ((), 3)
    assert len(await stored_keys(services, owner)) == 3


async def test_a_picture_that_is_gone_before_they_are_made_leaves_nothing(api: Api, owner: Person, database: Database) -> None:
    id = await hang_up(api, owner)
    await database.command({"delete": "files", "deletes": [{"q": {"_id": id}, "limit": 1}]})
    await work_off(api.services)
    assert (await contents(database))["thumbnails"] == []


async def test_a_link_is_good_for_a_week_at_most(api: Api, owner: Person) -> None:
    id = await hang_up_and_shrink(api, owner)
    assert await api.data(URLS, {"id": id, "seconds": 604_800}, caller=owner)
    for seconds in (0, -1, 604_801, 2**31 - 1):
        response = await api.execute(URLS, {"id": id, "seconds": seconds}, caller=owner)
        assert {path for error in response["errors"] for path in problems({"errors": [error]})} == {"expiresIn"}


async def test_thumbnails_of_others_are_not_shown(api: Api, owner: Person, stranger: Person) -> None:
    id = await hang_up_and_shrink(api, owner)
    assert await api.data(FILE, {"id": id}, caller=stranger) == {"file": None}
