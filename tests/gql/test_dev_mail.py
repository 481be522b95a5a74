from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from datastore.settings import Settings
from gql.app import create_app
from gql.dev_mail import dev_mail_routes
from gql.service import GraphQLService
from resolvers.kept_mail import KeptMail
from resolvers.mail import Attachment, Mail, Mailer
from resolvers.mail_rendering import Written
from resolvers.services import Services

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def mailer(tmp_path: Path) -> Mailer:
    """A machine for development without a mail server."""
    return Mailer(Settings(env="dev", data_dir=tmp_path))


@pytest.fixture
async def client(mailer: Mailer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on that machine."""
    app = Starlette(routes=dev_mail_routes(Settings(env="dev"), mailer.kept))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
        yield client


async def send(mailer: Mailer, subject: str = "Receipt 7") -> str:
    """Sends a mail, and gives the name it is kept under."""
    written = Written(subject, f"Text {HOSTILE}\n", f"<p>Hello</p>{HOSTILE}")
    await mailer.send(Mail("jo@example.org", written, "Shop", [Attachment("ü.html", "text/html", HOSTILE.encode())]), subject)
    assert mailer.kept is not None
    return (await mailer.kept.newest())[0].name


async def test_the_list_has_every_mail_with_a_link(client: httpx.AsyncClient, mailer: Mailer) -> None:
    assert "No mail was sent yet." in (await client.get("/dev/mail")).text
    name = await send(mailer)
    page = await client.get("/dev/mail")
    assert f'<a href="/dev/mail/{name}">Receipt 7</a>' in page.text
    assert "jo@example.org" in page.text


async def test_a_mail_is_shown_with_its_headers_text_and_a_sandboxed_frame(client: httpx.AsyncClient, mailer: Mailer) -> None:
    name = await send(mailer, f"Hello {HOSTILE}")
    page = await client.get(f"/dev/mail/{name}")
    assert HOSTILE not in page.text
    assert "Text &lt;script&gt;" in page.text
    assert f'<iframe sandbox src="/dev/mail/{name}/html"' in page.text
    assert "Message-ID" in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_the_html_of_a_mail_can_run_and_load_nothing(client: httpx.AsyncClient, mailer: Mailer) -> None:
    name = await send(mailer)
    page = await client.get(f"/dev/mail/{name}/html")
    assert "<p>Hello</p>" in page.text
    assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert page.headers["x-content-type-options"] == "nosniff"


async def test_an_attachment_is_only_ever_a_download(client: httpx.AsyncClient, mailer: Mailer) -> None:
    name = await send(mailer)
    download = await client.get(f"/dev/mail/{name}/attachments/0")
    assert download.content == HOSTILE.encode()
    assert download.headers["content-type"] == "application/octet-stream"
    assert download.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC.html"
    assert (await client.get(f"/dev/mail/{name}/attachments/1")).status_code == 404


@pytest.mark.parametrize("path", ["x", "x/html", "x/attachments/0", "..%2f..%2fsecret", "%00", "20261124120000000-0123456789abcdef"])
async def test_a_mail_that_is_not_there_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(f"/dev/mail/{path}")).status_code == 404


async def test_outside_development_there_is_no_such_page(service: GraphQLService, services: Services) -> None:
    assert services.settings.env == "test"
    transport = httpx.ASGITransport(create_app(service, services))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        assert (await client.get("/dev/mail")).status_code == 404


def test_only_development_has_the_routes(tmp_path: Path) -> None:
    kept = KeptMail(tmp_path)
    assert dev_mail_routes(Settings(env="test"), kept) == []
    assert dev_mail_routes(Settings(env="production"), kept) == []
    assert dev_mail_routes(Settings(env="dev"), None) == []
    assert dev_mail_routes(Settings(env="dev"), kept)


async def test_a_mail_of_another_program_is_shown_as_far_as_it_goes(client: httpx.AsyncClient, mailer: Mailer) -> None:
    assert mailer.kept is not None
    await mailer.kept.keep("Subject: Größe\r\nTo: jürgen@example.org\r\n\r\n".encode() + b"\xff\x00", "x", datetime.now(UTC))
    [found] = await mailer.kept.newest()
    assert "Größe" in (await client.get("/dev/mail")).text
    assert (await client.get(f"/dev/mail/{found.name}")).status_code == 200
    assert (await client.get(f"/dev/mail/{found.name}/html")).status_code == 200


@pytest.mark.parametrize(
    ("peer", "host"), [("192.0.2.7", "localhost:8000"), ("127.0.0.1", "rebound.example"), ("127.0.0.1", "rebound.example:8000")]
)
async def test_mail_is_shown_on_the_machine_itself_and_by_its_own_name_alone(mailer: Mailer, peer: str, host: str) -> None:
    name = await send(mailer)
    app = Starlette(routes=dev_mail_routes(Settings(env="dev"), mailer.kept))
    transport = httpx.ASGITransport(app, client=(peer, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers={"Host": host}) as stranger:
        for path in ("/dev/mail", f"/dev/mail/{name}", f"/dev/mail/{name}/html", f"/dev/mail/{name}/attachments/0"):
            assert (await stranger.get(path)).status_code == 404
