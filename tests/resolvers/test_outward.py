"""Calling URLs that callers gave: where they may lead, and what is read of an answer."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from resolvers import outward as outward_module
from resolvers.outward import MOST_ANSWER_BYTES, CallFailedError, Outward, SystemLookup, checked_url
from tests.receivers import Receiver, receiving, status

NAME = "hooks.example.org"
SECONDS = 5.0


class Names:
    """A name server that answers as a test says, each answer once, the last one on and on."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def only_one_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """127.0.0.1 stands for the internet; no test calls that."""
    monkeypatch.setattr(outward_module, "is_public", lambda address: address == "127.0.0.1")


async def call(outward: Outward, url: str, *, seconds: float = SECONDS) -> int:
    return (await outward.post(url, {}, b"{}", seconds=seconds)).status


@pytest.mark.parametrize(
    "url",
    ["https://example.org/hook?a=b", "https://example.org:8443", "https://8.8.8.8/", "https://[2606:4700::1111]/x", "HTTPS://EXAMPLE.org"],
)
def test_a_url_of_the_internet_is_taken(url: str) -> None:
    assert checked_url(url).startswith("https://")
    assert checked_url(checked_url(url)) == checked_url(url)


def test_a_name_in_another_script_is_taken_as_the_dns_has_it() -> None:
    assert checked_url("https://bücher.example/ä") == "https://xn--bcher-kva.example/%C3%A4"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.org/", "https"),
        ("ftp://example.org/", "https"),
        ("file:///etc/passwd", "https"),
        ("example.org", "https"),
        ("", "https"),
        ("https://", "host"),
        ("https:///hook", "host"),
        ("https://user@example.org/", "no user"),
        ("https://user:word@example.org/", "no user"),
        ("https://example.org/#top", "no fragment"),
        ("https://example.org:22/", "ports"),
        ("https://example.org:80/", "ports"),
        ("https://example.org:99999/", "port"),
        ("https://localhost/", "public internet"),
        ("https://till.localhost/", "public internet"),
        ("https://metadata.google.internal/", "public internet"),
        ("https://printer.local./", "public internet"),
        ("https://intranet/", "public internet"),
        ("https://127.0.0.1/", "public internet"),
        ("https://[::1]/", "public internet"),
        ("https://[::ffff:169.254.169.254]/", "public internet"),
        ("https://169.254.169.254/latest", "public internet"),
        ("https://2130706433/", "public internet"),
        ("https://exa mple.org/", "URL"),
        ("https://example.org/\n", "URL"),
        ("https://example.org/\u0000", "URL"),
        ("https://example.org/" + "x" * 2048, "URL"),
    ],
)
def test_a_url_that_leads_elsewhere_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked_url(url)


def test_in_development_our_own_network_may_be_called() -> None:
    assert checked_url("http://localhost:8123/x", allow_private=True) == "http://localhost:8123/x"
    with pytest.raises(ValueError, match="https"):
        checked_url("file:///x", allow_private=True)


@pytest.mark.usefixtures("only_one_is_public")
async def test_a_name_that_leads_elsewhere_later_is_judged_again_at_each_connection(receiver: Receiver) -> None:
    receiver.answer = lambda _: status(200, Connection="close")
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    outward = Outward(allow_private=False, lookup=names)
    url = f"http://{NAME}:{receiver.port}/"
    assert await call(outward, url) == 200
    assert receiver.received[0].headers["host"] == f"{NAME}:{receiver.port}"
    with pytest.raises(CallFailedError, match="public internet"):
        await call(outward, url)
    assert (len(receiver.received), names.asked) == (1, [(NAME, receiver.port)] * 2)
    await outward.close()


@pytest.mark.usefixtures("only_one_is_public")
async def test_of_several_addresses_only_public_ones_are_called(receiver: Receiver) -> None:
    outward = Outward(allow_private=False, lookup=Names(["10.0.0.1", "::1", "127.0.0.1"]))
    assert await call(outward, f"http://{NAME}:{receiver.port}/") == 200
    await outward.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "10.1.2.3", "64:ff9b::7f00:1"])
async def test_a_name_that_leads_into_our_own_network_is_not_called(receiver: Receiver, address: str) -> None:
    outward = Outward(allow_private=False, lookup=Names([address]))
    with pytest.raises(CallFailedError, match="public internet"):
        await call(outward, f"http://{NAME}:{receiver.port}/")
    assert receiver.received == []
    await outward.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:7f00:1]", "0"])
async def test_an_address_of_our_own_network_is_not_called_however_it_is_written(receiver: Receiver, host: str) -> None:
    outward = Outward(allow_private=False)
    with pytest.raises(CallFailedError, match=r"public internet|broke off|No connection"):
        await call(outward, f"http://{host}:{receiver.port}/")
    assert receiver.received == []
    await outward.close()


@pytest.mark.usefixtures("only_one_is_public")
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(receiver: Receiver, code: int) -> None:
    async with receiving() as inner:
        receiver.answer = lambda _: status(code, Location=f"http://127.0.0.1:{inner.port}/")
        outward = Outward(allow_private=False, lookup=Names(["127.0.0.1"]))
        assert await call(outward, f"http://{NAME}:{receiver.port}/") == code
        assert (len(receiver.received), inner.received) == (1, [])
        await outward.close()


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        outward = Outward(allow_private=True)
        assert await call(outward, receiver.url) == 200
        assert proxy.received == []
        await outward.close()


async def test_a_receiver_that_hangs_is_given_up_in_time(receiver: Receiver) -> None:
    receiver.answer = lambda _: None
    outward = Outward(allow_private=True)
    with pytest.raises(CallFailedError, match=r"within 0\.2 seconds"):
        await call(outward, receiver.url, seconds=0.2)
    await outward.close()


async def test_a_name_server_that_hangs_is_given_up_in_time() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    outward = Outward(allow_private=True, lookup=never)
    with pytest.raises(CallFailedError, match="within"):
        await call(outward, "https://example.org/", seconds=0.2)
    await outward.close()


async def test_of_a_long_answer_only_the_beginning_is_read(receiver: Receiver) -> None:
    receiver.answer = lambda _: status(200, b"x" * 1_000_000)
    outward = Outward(allow_private=True)
    answer = await outward.post(receiver.url, {}, b"", seconds=SECONDS)
    assert answer.body == b"x" * MOST_ANSWER_BYTES
    await outward.close()


async def test_an_answer_whose_body_never_ends_counts_by_its_status(receiver: Receiver) -> None:
    receiver.answer = lambda _: status(204, b"")[:-2].replace(b"Content-Length: 0", b"Content-Length: 100") + b"\r\nhalf"
    outward = Outward(allow_private=True)
    answer = await outward.post(receiver.url, {}, b"", seconds=0.4)
    assert (answer.status, answer.body) in {(204, b""), (204, b"half")}
    await outward.close()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
async def test_what_is_no_answer_is_a_failure_in_words(receiver: Receiver, answer: bytes) -> None:
    receiver.answer = lambda _: answer
    outward = Outward(allow_private=True)
    with pytest.raises(CallFailedError, match=r"broke off|within"):
        await call(outward, receiver.url, seconds=0.5)
    await outward.close()


async def test_where_nobody_listens_it_is_said_that_there_is_no_connection() -> None:
    async with receiving() as gone:
        url = gone.url
    outward = Outward(allow_private=True)
    with pytest.raises(CallFailedError, match="No connection"):
        await call(outward, url)
    await outward.close()


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server of a name shows, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))


async def test_the_certificate_must_be_good_for_the_name_whatever_address_is_called(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, NAME)
    async with receiving(server) as receiver:
        outward = Outward(allow_private=True, lookup=Names(["127.0.0.1"]), tls=client)
        assert await call(outward, f"https://{NAME}:{receiver.port}/") == 200
        with pytest.raises(CallFailedError, match="certificate"):
            await call(outward, f"https://other.example.org:{receiver.port}/")
        await outward.close()
        strict = Outward(allow_private=True, lookup=Names(["127.0.0.1"]))
        with pytest.raises(CallFailedError, match="certificate"):
            await call(strict, f"https://{NAME}:{receiver.port}/")
        assert len(receiver.received) == 1
        await strict.close()


async def test_the_system_looks_names_up_and_says_where_there_are_none() -> None:
    lookup = SystemLookup()
    found = await asyncio.gather(lookup("localhost", 443), lookup("localhost", 443))
    assert found[0] == found[1]
    assert "127.0.0.1" in found[0]
    outward = Outward(allow_private=False)
    with pytest.raises(CallFailedError, match="looked up"):
        await call(outward, "https://nothing.invalid/")
    await outward.close()
    lookup.close()
