"""Sending, to a real SMTP server in this process."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.headerregistry import Address
from email.policy import compat32, default
from email.utils import getaddresses
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from datastore.errors import UnavailableError
from datastore.settings import Settings
from resolvers import mail as module
from resolvers.mail import AT_ONCE, Attachment, Mail, Mailer, MailRefusedError, deliverable, message_of, parsed_address
from resolvers.mail_rendering import Written
from tests.smtp import MailServer, mail_server

SENDER = Address("Tillstream", addr_spec="till@shop.example")
HELLO = Mail("jo@example.org", Written("Hello", "Hello Jo\n", "<p>Hello Jo</p>"), "Café Ωmega")


def mailer(server: MailServer, **settings: Any) -> Mailer:
    plain: dict[str, Any] = {"env": "test", "smtp_host": "127.0.0.1", "smtp_port": server.port, "mail_from": "Till <till@shop.example>"}
    return Mailer(Settings(**plain | {"smtp_tls": "none"} | settings))


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    """A mail server that takes everything."""
    async with mail_server() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mailer that waits for no server."""
    monkeypatch.setattr(module, "_STEP_SECONDS", 0.3)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS of a server that signed its certificate itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_a_mail_arrives_as_text_and_html_with_its_attachment(server: MailServer) -> None:
    attachment = Attachment("Beleg 7 für Ωmega.pdf", "application/pdf", b"%PDF-\x00\xff" * 1000)
    await mailer(server).send(Mail(HELLO.to, HELLO.written, HELLO.sender_name, [attachment]), "job 1")
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == ("till@shop.example", ["jo@example.org"])
    message = taken.message
    assert message["From"].addresses[0].display_name == "Café Ωmega"
    assert message["From"].addresses[0].addr_spec == "till@shop.example"
    assert (message["To"], message["Subject"], message["Auto-Submitted"]) == ("jo@example.org", "Hello", "auto-generated")
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert (text.get_content().strip(), html.get_content().strip()) == ("Hello Jo", "<p>Hello Jo</p>")
    [found] = message.iter_attachments()
    assert (found.get_filename(), found.get_content_type()) == (attachment.name, "application/pdf")
    assert found.get_content() == attachment.content


async def test_the_system_itself_writes_in_the_name_of_the_setting(server: MailServer) -> None:
    await mailer(server).send(Mail(HELLO.to, HELLO.written), "job 1")
    assert server.taken[0].message["From"] == "Till <till@shop.example>"


async def test_a_repeat_carries_the_same_message_id_and_another_job_another(server: MailServer) -> None:
    for handle in ("job 1", "job 1", "job 2"):
        await mailer(server).send(HELLO, handle)
    first, again, other = (taken.message["Message-ID"] for taken in server.taken)
    assert first == again != other
    assert first.endswith("@shop.example>")
    assert "job" not in first


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_what_the_server_refuses_for_good_is_refused_for_good(server: MailServer, step: Any) -> None:
    server.answers[step] = ["550 5.1.1 no such user jo@internal.example"]
    with pytest.raises(MailRefusedError, match=r"\(550\)") as caught:
        await mailer(server).send(HELLO, "job 1")
    assert "internal" not in str(caught.value)
    assert server.taken == []


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_what_the_server_puts_off_may_go_later(server: MailServer, step: Any) -> None:
    server.answers[step] = ["451 4.7.1 greylisted"]
    with pytest.raises(UnavailableError, match=r"later \(451\)"):
        await mailer(server).send(HELLO, "job 1")
    await mailer(server).send(HELLO, "job 1")
    assert len(server.taken) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_hangs_is_given_up_and_may_be_asked_later(server: MailServer, impatient: None, step: Any) -> None:
    server.hangs_at = step
    with pytest.raises(UnavailableError):
        await mailer(server).send(HELLO, "job 1")


@pytest.mark.parametrize("step", ["CONNECT", "DATA"])
async def test_a_server_that_breaks_off_may_be_asked_later(server: MailServer, step: Any) -> None:
    server.drops_at = step
    with pytest.raises(UnavailableError):
        await mailer(server).send(HELLO, "job 1")
    assert server.taken == []
    server.drops_at = None
    await mailer(server).send(HELLO, "job 1")
    assert len(server.taken) == 1


async def test_a_mail_whose_receipt_was_lost_goes_again_under_the_same_message_id(server: MailServer) -> None:
    server.drops_after_taking = True
    with pytest.raises(UnavailableError):
        await mailer(server).send(HELLO, "job 1")
    server.drops_after_taking = False
    await mailer(server).send(HELLO, "job 1")
    assert len(server.attempted) == 2
    assert len(set(server.attempted)) == 1


async def test_a_server_that_is_not_there_may_be_there_later() -> None:
    async with mail_server() as gone:
        absent = mailer(gone)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await absent.send(HELLO, "job 1")


async def test_no_more_connections_are_opened_at_once_than_is_fair(server: MailServer) -> None:
    sending = mailer(server)
    await asyncio.gather(*(sending.send(HELLO, f"job {number}") for number in range(3 * AT_ONCE)))
    assert len(server.taken) == 3 * AT_ONCE
    assert server.most_at_once <= AT_ONCE


async def test_a_server_that_wants_a_password_is_given_it_over_tls(certificate: ssl.SSLContext) -> None:
    async with mail_server(tls=certificate, passwords={"till": "very-private"}) as server:
        settings = {"smtp_tls": "starttls", "smtp_verify": False, "smtp_user": "till", "smtp_password": SecretStr("very-private")}
        await mailer(server, **settings).send(HELLO, "job 1")
        assert (server.taken[0].encrypted, server.taken[0].user) == (True, "till")


async def test_tls_from_the_start_is_spoken_where_that_is_set(certificate: ssl.SSLContext) -> None:
    async with mail_server(tls=certificate, implicit=True) as server:
        await mailer(server, smtp_tls="implicit", smtp_verify=False).send(HELLO, "job 1")
        assert len(server.taken) == 1


async def test_a_server_whose_certificate_is_not_good_gets_nothing(certificate: ssl.SSLContext) -> None:
    async with mail_server(tls=certificate) as server:
        with pytest.raises(UnavailableError):
            await mailer(server, smtp_tls="starttls").send(HELLO, "job 1")
        assert server.attempted == []


async def test_a_server_without_tls_gets_nothing_where_tls_is_set(server: MailServer) -> None:
    with pytest.raises(UnavailableError):
        await mailer(server, smtp_tls="starttls").send(HELLO, "job 1")
    assert server.attempted == []


async def test_a_wrong_password_is_for_the_operator_to_mend_and_the_mail_waits(
    certificate: ssl.SSLContext, caplog: pytest.LogCaptureFixture
) -> None:
    async with mail_server(tls=certificate, passwords={"till": "right"}) as server:
        settings = {"smtp_tls": "starttls", "smtp_verify": False, "smtp_user": "till", "smtp_password": SecretStr("very-private")}
        with pytest.raises(UnavailableError):
            await mailer(server, **settings).send(HELLO, "job 1")
    assert "535" in caplog.text
    assert "very-private" not in caplog.text


async def test_without_a_server_mail_is_kept_once_where_it_is_not_production(tmp_path: Path) -> None:
    keeping = Mailer(Settings(env="dev", data_dir=tmp_path))
    assert keeping.kept is not None
    for _ in range(2):
        await keeping.send(HELLO, "job 1")
    [kept] = await keeping.kept.newest()
    assert kept.message["Subject"] == "Hello"


async def test_production_without_a_server_says_whose_fault_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    silent = Mailer(Settings(env="production", data_dir=tmp_path))
    with pytest.raises(MailRefusedError, match="operator"):
        await silent.send(HELLO, "job 1")
    assert "TILLSTREAM_SMTP_HOST" in caplog.text
    assert list(tmp_path.iterdir()) == []


async def test_a_message_that_no_server_takes_is_not_offered(server: MailServer) -> None:
    huge = Attachment("a.pdf", "application/pdf", bytes(16 * 1024 * 1024))
    with pytest.raises(MailRefusedError, match="bytes"):
        await mailer(server).send(Mail(HELLO.to, HELLO.written, "", [huge]), "job 1")
    assert server.seen == 0


@pytest.mark.parametrize(
    "address", ["", "jo", "jo@", "@example.org", "jo@example.org\r\nBcc: x@example.org", "a@b@c.org", "jo@example.org, x@y.org"]
)
async def test_what_is_no_address_is_refused_before_the_server_is_asked(server: MailServer, address: str) -> None:
    with pytest.raises(MailRefusedError):
        await mailer(server).send(Mail(address, HELLO.written), "job 1")
    assert server.seen == 0


def test_a_domain_in_any_script_is_sent_in_ascii() -> None:
    assert deliverable("jo@bücher.example") == "jo@xn--bcher-kva.example"


async def test_a_mailbox_in_any_script_is_reached_where_the_server_can(server: MailServer) -> None:
    await mailer(server).send(Mail("jürgen@bücher.example", HELLO.written, "Größe"), "job 1")
    [taken] = server.taken
    assert taken.recipients == ["jürgen@xn--bcher-kva.example"]
    # The parser keeps the bytes of what is not ASCII.
    assert str(taken.message["To"]).encode("utf-8", "surrogateescape").decode() == "jürgen@xn--bcher-kva.example"


async def test_a_mailbox_in_any_script_is_refused_where_the_server_cannot() -> None:
    async with mail_server(utf8=False) as server:
        with pytest.raises(MailRefusedError, match="ASCII"):
            await mailer(server).send(Mail("jürgen@bücher.example", HELLO.written), "job 1")


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("till@shop.example", "", "till@shop.example"),
        ('"A, B" <t@s.example>', "A, B", "t@s.example"),
        ("A B <t@s.example>", "A B", "t@s.example"),
    ],
)
def test_the_sender_is_an_address_with_or_without_a_name(text: str, name: str, address: str) -> None:
    parsed = parsed_address(text)
    assert (parsed.display_name, parsed.addr_spec) == (name, address)


@given(text=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('\r\n\0,;:<>@"\\()=?_ä\u2028'), max_size=120))
def test_no_text_adds_a_header_or_a_recipient(text: str) -> None:
    mail = Mail("jo@example.org", Written(text, "Hello\n", "<p>Hello</p>"), text, [Attachment(text, "text/plain", b"x")])
    message = message_of(mail, SENDER, "job", datetime(2026, 11, 24, tzinfo=UTC))
    read = message_from_bytes(message.as_bytes(), policy=default)
    assert set(read.keys()) == set(message.keys())
    assert [address.addr_spec for address in read["To"].addresses] == ["jo@example.org"]
    assert [address.addr_spec for address in read["From"].addresses] == ["till@shop.example"]
    body = read.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "Hello"


@pytest.mark.parametrize(
    "name",
    [
        "Smith, Jones & Daughters Hardware, Garden Supplies and Country Store (since 1923)",
        "The Old Post Office: Books; Records; Coffee and Cakes from the Whole County",
    ],
)
def test_a_long_name_of_a_business_is_one_sender(name: str) -> None:
    message = message_of(Mail("jo@example.org", Written("Hi", "Hello\n", "<p>Hello</p>"), name), SENDER, "job", datetime.now(UTC))
    [(shown, address)] = getaddresses([str(message_from_bytes(message.as_bytes(), policy=compat32)["From"])])
    assert (shown[:5], address) == (name[:5], "till@shop.example")
