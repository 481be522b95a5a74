"""The embedded servers: real ones, started, restarted, killed, and in each other's way."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from datastore import embedded, processes
from datastore.embedded import BlobServer, MongoServer, embedded_blobs, embedded_mongod, running_blobs, servers
from datastore.loopback import LOOPBACK, free_ports
from datastore.processes import EmbeddedServerError, PortTakenError, Program, last_complaint
from datastore.settings import Settings

ROOT = Path(__file__).parents[2]


def _client(server: MongoServer) -> AsyncMongoClient[dict[str, Any]]:
    return AsyncMongoClient(server.uri)


@asynccontextmanager
async def _s3(server: BlobServer, secret_key: str | None = None) -> AsyncIterator[Any]:
    secret = secret_key or server.secret_key
    key = {"aws_access_key_id": server.access_key, "aws_secret_access_key": secret, "region_name": "us-east-1"}
    config = AioConfig(signature_version="s3v4", retries={"max_attempts": 0})  # ready means at the first try
    async with get_session().create_client("s3", endpoint_url=server.endpoint, config=config, **key) as client:
        yield client


async def _content(s3: Any, bucket: str, key: str) -> bytes:
    content: bytes = await (await s3.get_object(Bucket=bucket, Key=key))["Body"].read()
    return content


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}  # a zombie waits for its reaper only


async def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "this did not happen in time"
        await asyncio.sleep(0.02)


@contextmanager
def _port_held() -> Iterator[int]:
    with closing(socket.create_server((LOOPBACK, 0))) as holder:
        yield holder.getsockname()[1]


@pytest.mark.slow
async def test_mongod_takes_transactions_and_keeps_its_data_over_a_stop_a_crash_and_a_change_of_port(tmp_path: Path) -> None:
    async with embedded_mongod(tmp_path) as server, _client(server) as client:
        async with client.start_session() as session, await session.start_transaction():
            await client.shop.products.insert_one({"_id": 1}, session=session)
        async with client.start_session(snapshot=True) as session:
            assert await client.shop.products.count_documents({}, session=session) == 1
    assert not _alive(server.pid)

    async with embedded_mongod(tmp_path) as again:
        assert again.uri == server.uri
        async with _client(again) as client:  # closed before: with its server gone it might wait to end its sessions
            await client.shop.products.insert_one({"_id": 2})
        os.kill(again.pid, signal.SIGKILL)
        await _until(lambda: not _alive(again.pid))

    port = free_ports(1)[0]
    async with embedded_mongod(tmp_path, port=port) as elsewhere, _client(elsewhere) as client:
        assert elsewhere.uri == f"mongodb://127.0.0.1:{port}/?replicaSet=tillstream"
        assert await client.shop.products.count_documents({}) == 2
        async with await client.shop.products.watch() as stream:
            await client.shop.products.insert_one({"_id": 3})
            assert (await anext(stream))["documentKey"] == {"_id": 3}


@pytest.mark.slow
async def test_a_second_mongod_on_the_same_data_is_refused_and_the_first_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "HANDOVER_SECONDS", 0.1)
    async with embedded_mongod(tmp_path, parameters={"enableTestCommands": "1"}) as server, _client(server) as client:
        with pytest.raises(EmbeddedServerError, match=rf"mongodb is in use by another mongod \(process {server.pid}\)"):
            async with embedded_mongod(tmp_path):
                pass
        parameters = await client.admin.command({"getParameter": 1, "enableTestCommands": 1})
        assert parameters["enableTestCommands"] is True


async def test_a_port_that_is_taken_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    with _port_held() as port, pytest.raises(PortTakenError, match=f"port {port} is taken"):
        async with embedded_mongod(tmp_path, port=port):
            pass


@pytest.mark.parametrize("start", [embedded_mongod, embedded_blobs])
@pytest.mark.slow
async def test_a_port_that_is_lost_while_the_server_starts_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Any) -> None:
    monkeypatch.setattr(processes, "free", lambda _: True)
    directory = tmp_path / ("mongodb" if start is embedded_mongod else "blobs")
    directory.mkdir()
    with _port_held() as port:
        ports = [port] if start is embedded_mongod else [port, *free_ports(9)]
        (directory / "ports.json").write_text(str(ports), encoding="ascii")
        async with start(tmp_path) as server:
            assert f":{port}" not in getattr(server, "uri", "") + getattr(server, "endpoint", "")


@pytest.mark.slow
async def test_the_store_of_somebody_faster_is_not_taken_for_ours(
    tmp_path: Path, store: BlobServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "free", lambda _: True)
    taken = urlsplit(store.endpoint).port
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "ports.json").write_text(json.dumps([taken, *free_ports(9)]), encoding="ascii")
    async with embedded_blobs(tmp_path) as ours:
        assert ours.endpoint != store.endpoint
        assert await running_blobs(tmp_path, ours.endpoint) is not None
        assert await running_blobs(tmp_path, store.endpoint) is None


@pytest.fixture(scope="module")
async def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("both")


@pytest.fixture(scope="module")
async def settings(data_dir: Path) -> AsyncIterator[Settings]:
    """Settings of two embedded servers."""
    async with servers(Settings(env="test", data_dir=data_dir, mongodb_uri=None, s3_endpoint=None)) as settings:
        yield settings


@pytest.fixture(scope="module")
def store(settings: Settings) -> BlobServer:
    """The S3 store that the settings name."""
    assert settings.s3_endpoint
    assert settings.s3_access_key
    assert settings.s3_secret_key
    pid = int((settings.data_dir / "blobs" / "lock").read_text(encoding="ascii"))
    return BlobServer(settings.s3_endpoint, settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value(), pid)


async def test_servers_listen_on_loopback_only(settings: Settings) -> None:
    pids = [(settings.data_dir / name / "lock").read_text(encoding="ascii") for name in ("mongodb", "blobs")]
    own = {str(link.readlink()) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    # Columns of /proc/net/tcp: number, local address, remote address, state (0A is LISTEN), ..., inode.
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text(encoding="ascii").splitlines()[1:]]
    addresses = [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]
    assert len(addresses) > len(pids)  # weed has many
    assert set(addresses) == {"0100007F"}


async def test_s3_takes_presigned_uploads_and_gives_them_back(store: BlobServer) -> None:
    async with _s3(store) as s3, aiohttp.ClientSession() as http:
        await s3.create_bucket(Bucket="shop")
        put = await s3.generate_presigned_url("put_object", Params={"Bucket": "shop", "Key": "a"}, ExpiresIn=60)
        async with http.put(put, data=b"receipt") as answer:
            assert answer.status == 200
        get = await s3.generate_presigned_url("get_object", Params={"Bucket": "shop", "Key": "a"}, ExpiresIn=60)
        async with http.get(get) as answer:
            assert await answer.read() == b"receipt"


async def test_s3_refuses_another_key_and_none(store: BlobServer) -> None:
    async with _s3(store, secret_key="another") as s3:
        with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
            await s3.list_buckets()
    async with aiohttp.ClientSession() as http, http.get(store.endpoint) as answer:
        assert answer.status == 403


@pytest.mark.slow
async def test_files_and_key_are_kept_over_a_crash_and_a_stop_of_the_store(tmp_path: Path) -> None:
    async with embedded_blobs(tmp_path) as server, _s3(server) as s3:
        await s3.create_bucket(Bucket="shop")
        await s3.put_object(Bucket="shop", Key="a", Body=b"receipt")
        os.kill(server.pid, signal.SIGKILL)
        await _until(lambda: not _alive(server.pid))
    async with embedded_blobs(tmp_path) as again:
        assert (again.access_key, again.secret_key) == (server.access_key, server.secret_key)
        async with _s3(again) as s3:
            await s3.create_bucket(Bucket="office")
            await s3.put_object(Bucket="office", Key="a", Body=b"invoice")
            await s3.put_object(Bucket="shop", Key="b", Body=b"second")
            assert await _content(s3, "shop", "a") == b"receipt"
    async with embedded_blobs(tmp_path) as once_more, _s3(once_more) as s3:
        assert [await _content(s3, *place) for place in (("shop", "a"), ("shop", "b"), ("office", "a"))] == [
            b"receipt",
            b"second",
            b"invoice",
        ]


# Whoever runs the tests in the background of a shell has them, and what they start, ignore Ctrl-C.
PARENT = """
import asyncio, signal, sys
from pathlib import Path
from datastore.embedded import embedded_blobs, embedded_mongod

async def main() -> None:
    async with embedded_mongod(Path(sys.argv[1])) as mongo, embedded_blobs(Path(sys.argv[1])) as blobs:
        print(mongo.pid, blobs.pid, flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(main())
"""


@contextmanager
def _parent(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PARENT, str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, process_group=0) as parent:
        try:
            yield parent
        finally:
            parent.kill()


def _pids(parent: subprocess.Popen[str]) -> list[int]:
    assert parent.stdout is not None
    return [int(pid) for pid in parent.stdout.readline().split()]


def _descendants(pid: int) -> set[int]:
    found = {pid}
    with suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found |= _descendants(int(child))
    return found


@pytest.mark.slow
async def test_a_parent_that_is_killed_leaves_no_process_and_its_data_can_be_used_at_once(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        pids = await asyncio.to_thread(_pids, parent)
        family = _descendants(parent.pid)
        assert {parent.pid, *pids} == family
        parent.kill()
    async with embedded_mongod(tmp_path), embedded_blobs(tmp_path):
        assert not any(map(_alive, family))


@pytest.mark.slow
async def test_ctrl_c_in_a_terminal_reaches_only_us_who_then_stop_the_servers(tmp_path: Path) -> None:
    with _parent(tmp_path) as parent:
        pids = await asyncio.to_thread(_pids, parent)
        assert {os.getpgid(pid) for pid in pids}.isdisjoint({parent.pid}), "the terminal would interrupt the servers before us"
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does, to the whole group
        await asyncio.to_thread(parent.wait, 3 * processes.STOP_SECONDS)
    assert not any(map(_alive, pids))
    assert "Now exiting" in (tmp_path / "mongodb" / "mongod.log").read_text(encoding="utf-8")


async def test_a_server_is_stopped_when_its_start_is_cancelled(tmp_path: Path) -> None:
    async def enter() -> None:
        async with embedded_mongod(tmp_path):
            pass

    task = asyncio.create_task(enter())
    lock = tmp_path / "mongodb" / "lock"
    await _until(lambda: lock.exists() and bool(lock.read_text(encoding="ascii")))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _alive(int(lock.read_text(encoding="ascii")))


async def test_only_the_servers_that_the_settings_do_not_name_are_started(tmp_path: Path) -> None:
    key = SecretStr("key")
    named = Settings(
        env="test",
        data_dir=tmp_path,
        mongodb_uri="mongodb://db.example",
        s3_endpoint="https://s3.example",
        s3_access_key=key,
        s3_secret_key=key,
    )
    async with servers(named) as same:
        assert same == named
    assert list(tmp_path.iterdir()) == []


async def test_settings_of_embedded_servers_name_them(settings: Settings, data_dir: Path) -> None:
    assert settings.mongodb_uri
    assert settings.data_dir == data_dir
    async with AsyncMongoClient[dict[str, Any]](settings.mongodb_uri) as client:
        assert (await client.admin.command("ping"))["ok"] == 1


@pytest.mark.parametrize(("name", "setting"), [("mongod", "TILLSTREAM_MONGODB_URI"), ("weed", "TILLSTREAM_S3_ENDPOINT")])
async def test_a_missing_program_is_one_line_that_says_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, setting: str
) -> None:
    program = getattr(embedded, name.upper())
    monkeypatch.setattr(embedded, name.upper(), Program(name, ("no-such-wheel",), program.setting))
    monkeypatch.setenv("PATH", str(tmp_path))
    start = embedded_mongod if name == "mongod" else embedded_blobs
    with pytest.raises(EmbeddedServerError, match=f"^there is no {name} for this platform: .* set {setting}[^\n]*$"):
        async with start(tmp_path):
            pass


def _fake_mongod(monkeypatch: pytest.MonkeyPatch, folder: Path, content: bytes) -> Path:
    """Put a file named mongod on the PATH, without its run bit, and no wheel before it."""
    path = folder / "mongod"
    path.write_bytes(content)
    monkeypatch.setattr(embedded, "MONGOD", Program("mongod", ("no-such-wheel",), "TILLSTREAM_MONGODB_URI"))
    monkeypatch.setattr("shutil.which", lambda _: str(path))
    return path


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\x7fELF for another machine", "mongod cannot run here: Exec format error"),
        (
            b"#!/bin/sh\necho 'libcrypto.so.1: cannot open shared object file'\nexit 127\n",
            "stopped with code 127: libcrypto.so.1: cannot open",
        ),
        (b"#!/bin/sh\nkill -ILL $$\n", "cannot run on this processor"),
        (b"#!/bin/sh\n", "stopped with code 0: it said nothing"),
    ],
)
async def test_a_program_that_cannot_run_here_says_why_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, complaint: str
) -> None:
    path = _fake_mongod(monkeypatch, tmp_path, content)
    with pytest.raises(EmbeddedServerError, match=complaint) as caught:
        async with embedded_mongod(tmp_path):
            pass
    assert "\n" not in str(caught.value)
    assert os.access(path, os.X_OK)  # the run bit that an installer lost is set


async def test_a_data_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "mongodb").write_text("in the way", encoding="utf-8")
    with pytest.raises(EmbeddedServerError, match="mongodb cannot hold the data of mongod: "):
        async with embedded_mongod(tmp_path):
            pass


async def test_a_damaged_key_file_of_the_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "s3.json").write_text('{"identities": []}', encoding="utf-8")
    with pytest.raises(EmbeddedServerError, match=r"s3\.json is damaged: remove it"):
        async with embedded_blobs(tmp_path):
            pass


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('{"s":"I","msg":"fine"}\n{"s":"E","msg":"bad","attr":{"why":1}}\n{"s":"I","msg":"bye"}\n', 'bad {"why": 1}'),
        ("I1123 22:21:41 fine\nF1123 22:21:42 bad\nI1123 22:21:43 bye\n", "F1123 22:21:42 bad"),
        ("first\nlast\n\n", "last"),
        ("[1]\n", "[1]"),
        ("", "it said nothing"),
    ],
)
def test_the_reason_of_a_stop_is_found_in_the_log(tmp_path: Path, lines: str, complaint: str) -> None:
    log = tmp_path / "log"
    log.write_text(lines, encoding="utf-8")
    assert last_complaint(log) == complaint
