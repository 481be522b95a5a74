"""The connection to MongoDB: the one file that names Motor, so that the driver can be changed in one place.

Everything goes as a plain database command. That keeps what is sent visible, and it gives what the driver's cursors hide: the cluster time
of a snapshot read (`cursor.atClusterTime`), which makes the version of a run exact.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Self

from bson import Timestamp
from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorChangeStream, AsyncIOMotorClient, AsyncIOMotorClientSession
from pymongo.errors import ConnectionFailure, ExecutionTimeout, OperationFailure, PyMongoError, WaitQueueTimeoutError
from pymongo.monitoring import CommandListener
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from datastore.errors import UnavailableError
from datastore.versions import Version, version_of

Document = dict[str, Any]
Session = AsyncIOMotorClientSession

# The server cuts the message of a duplicate key off in the middle of a character, and the driver would refuse the whole reply for that.
# What is stored is valid UTF-8, for that is all the driver sends, so nothing of a row is ever replaced.
CODEC: CodecOptions[Document] = CodecOptions(document_class=dict, tz_aware=True, tzinfo=UTC, unicode_decode_error_handler="replace")
MAJORITY: Document = {"w": "majority", "j": True}
SERVER_SELECTION_MS = 5_000
SOCKET_TIMEOUT_MS = 60_000
# A node that falls silent without closing its connections (frozen, unplugged) is given up by the driver after both of these together, and
# whatever waits for it is interrupted. With the driver's own ten seconds and more, all threads would hang on it long after an election.
HEARTBEAT_MS = 1_000
CONNECT_MS = 3_000

# https://github.com/mongodb/mongo/blob/v6.0/src/mongo/base/error_codes.yml
_SNAPSHOT_TOO_OLD = 239
_SNAPSHOT_UNAVAILABLE = 246
_BAD_VALUE = 2
_NO_SUCH_INDEX = "hint provided does not correspond to an existing index"
# Shutting down, stepping down, not primary any more: another node, or this one in a moment, will answer.
_ELECTION_CODES = frozenset({91, 189, 10058, 10107, 11600, 11602, 13435, 13436})


class SnapshotLostError(UnavailableError):
    """The snapshot of a run can no longer be read (too old, or an election came between): the whole run must start again."""


class Database:
    """One database of one deployment: a replica set or a sharded cluster.

    Reads that name no read concern are majority-committed, writes are acknowledged by a majority and journalled.
    """

    def __init__(self, client: AsyncIOMotorClient[Document], name: str) -> None:
        self._client = client
        self._database = client.get_database(
            name, codec_options=CODEC, read_concern=ReadConcern("majority"), write_concern=WriteConcern(w="majority", j=True)
        )
        self.name = name

    @classmethod
    async def connect(cls, uri: str, name: str, listeners: Sequence[CommandListener] = ()) -> Self:
        """A connection that has answered once; `listeners` hear every command. Raises UnavailableError in seconds where nothing answers.

        The server knows it as "tillstream", unless the URI has an `appName`.
        """
        named: dict[str, Any] = {} if "appname=" in uri.lower() else {"appname": "tillstream"}
        client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(
            uri,
            **named,
            serverSelectionTimeoutMS=SERVER_SELECTION_MS,
            connectTimeoutMS=CONNECT_MS,
            heartbeatFrequencyMS=HEARTBEAT_MS,
            socketTimeoutMS=SOCKET_TIMEOUT_MS,
            retryWrites=True,
            retryReads=True,
            event_listeners=list(listeners),
        )
        database = cls(client, name)
        try:
            await database.ping()
        except BaseException:
            client.close()
            raise
        return database

    async def close(self) -> None:
        """Closes every connection; what is under way fails."""
        self._client.close()

    async def command(self, command: Mapping[str, Any], *, session: Session | None = None) -> Document:
        """The reply to one command.

        Lost connections and elections become UnavailableError, a snapshot that is gone SnapshotLostError; any other error of the driver
        comes as it is. In a session all of them do: there the transaction must see their labels.
        """
        if session is not None:
            return await self._send(command, session)
        try:
            return await self._send(command, None)
        except PyMongoError as error:
            raise judge(error) from error

    async def read(self, command: Mapping[str, Any]) -> Document:
        """The reply to a command that only reads: sent a second time where the first met a lost connection or an election.

        https://github.com/mongodb/specifications/blob/master/source/retryable-reads/retryable-reads.md
        Raises SnapshotLostError as well where the snapshot of a table is asked for that is not there (renamed away, or not migrated yet).
        """
        try:
            reply = await self._send(command, None)
        except PyMongoError as error:
            if not _is_passing(error):
                raise judge(error) from error
            reply = await self.command(command)
        if "cursor" in reply and command.get("readConcern", {}).get("level") == "snapshot" and "atClusterTime" not in reply["cursor"]:
            raise SnapshotLostError("A table is missing in the database just now. Try again in a moment.")
        return reply

    async def ping(self) -> Version:
        """The server's latest operation time, once it answers."""
        reply = await self.command({"ping": 1})
        return version_from(reply["operationTime"])

    def watch(self, pipeline: Sequence[Mapping[str, Any]], **options: Any) -> AsyncIOMotorChangeStream[Document]:
        """A change stream on the whole database; options as in pymongo's `Database.watch`."""
        return self._database.watch(list(pipeline), **options)

    async def start_session(self) -> Session:
        """A session for one transaction; who starts it ends it."""
        return await self._client.start_session(causal_consistency=False)

    async def _send(self, command: Mapping[str, Any], session: Session | None) -> Document:
        return await self._database.command(dict(command), codec_options=CODEC, session=session)


def version_from(timestamp: Timestamp) -> Version:
    """The version that a cluster time of the server is."""
    return version_of(timestamp.time, timestamp.inc)


def timestamp_of(version: Version) -> Timestamp:
    """The cluster time of a version, as the server takes it."""
    return Timestamp(version >> 32, version & 0xFFFFFFFF)


def judge(error: PyMongoError) -> Exception:
    """What an error of the driver means to a caller; the error itself where it can only be a fault of ours."""
    if isinstance(error, OperationFailure) and error.code in {_SNAPSHOT_TOO_OLD, _SNAPSHOT_UNAVAILABLE}:
        return SnapshotLostError("The snapshot that was being read is gone. Try again.")
    if isinstance(error, OperationFailure) and error.code == _BAD_VALUE and _NO_SUCH_INDEX in str(error):
        return SnapshotLostError("An index is missing in the database just now, or was when this snapshot was. Try again in a moment.")
    if _is_passing(error) or isinstance(error, WaitQueueTimeoutError | ExecutionTimeout):
        return UnavailableError("The database does not answer just now. Try again in a moment.")
    return error


def _is_passing(error: PyMongoError) -> bool:
    return isinstance(error, ConnectionFailure) or (isinstance(error, OperationFailure) and error.code in _ELECTION_CODES)
