import pytest

from resolvers.downloads import BYTES, disposition, served_type
from tests.gql.api import Api, Person
from tests.resolvers.uploading import PNG, fetch, link, store


@pytest.mark.parametrize(
    "content_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "application/xml", "text/javascript", "x/y"]
)
def test_what_could_be_a_page_is_handed_out_as_bytes_to_be_saved(content_type: str) -> None:
    assert served_type(content_type) == BYTES
    assert disposition("x", content_type, inline=True).startswith("attachment; ")


def test_pictures_pdfs_and_plain_text_may_be_shown() -> None:
    for content_type in ("image/png", "image/jpeg", "application/pdf", "text/plain"):
        assert disposition("x", content_type, inline=True).startswith("inline; ")
        assert disposition("x", content_type, inline=False).startswith("attachment; ")
    assert served_type("text/plain") == "text/plain; charset=utf-8"
    assert served_type("image/png") == "image/png"


def test_a_name_is_written_for_every_client() -> None:
    assert disposition('Über "100 %".txt', "x/y", inline=False) == (
        "attachment; filename=\"_ber _100 __.txt\"; filename*=UTF-8''%C3%9Cber%20%22100%20%25%22.txt"
    )


async def test_the_store_answers_with_the_headers_that_were_signed(api: Api, owner: Person) -> None:
    page = await store(api, owner, b"<!DOCTYPE html><p>", "Seite ü.html", "text/html")
    answer = await fetch(await link(api, owner, page["id"], "(inline: true)"))
    assert answer.headers["content-type"] == BYTES
    assert answer.headers["content-disposition"] == "attachment; filename=\"Seite _.html\"; filename*=UTF-8''Seite%20%C3%BC.html"
    picture = await store(api, owner, PNG, "a.png", "image/png")
    url = await link(api, owner, picture["id"], "(inline: true)")
    shown = await fetch(url)
    assert (shown.headers["content-type"], shown.headers["content-disposition"][:7]) == ("image/png", "inline;")
    assert shown.headers["cache-control"] == "private"
    assert (await fetch(url.replace("image%2Fpng", "text%2Fhtml"))).status_code == 403
    assert (await fetch(url.replace(picture["id"], page["id"]))).status_code == 403
    assert (await fetch(url.partition("?")[0])).status_code == 403
