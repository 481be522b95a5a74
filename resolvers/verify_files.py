"""`tillstream verify --files`: holds the rows of files against what the store has.

Both sides come in the same order, a file's id being in its key, and are walked through together: memory does not grow with them. The shops
go on meanwhile, so whatever seems to be missing is looked at again before it is told, and what is young is left alone: it may be of an
upload that is about to be completed.
"""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from datastore import schema as tables
from datastore.blobs import Blob
from datastore.bulk import Moment
from resolvers.auth import on_behalf_of
from resolvers.calls import Calls
from resolvers.file_rows import note_bytes
from resolvers.services import Services
from resolvers.storage import ARRIVING, FINAL, THUMBNAIL, blob_prefix
from resolvers.verify import groups_of_accounts
from resolvers.verify_rows import Findings

GRACE: Final = timedelta(days=2)
"""How old something has to be that belongs to nothing."""

_COLUMNS: Final = ("account_id", "status", "blob", "size_bytes", "uploaded_by_id", "upload_id")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FilesVerification:
    """What was found, of how many files and objects; `mended` of it was put right."""

    findings: tuple[str, ...]
    more: int
    files: int
    objects: int
    mended: int
    seconds: float


@dataclass
class _Ahead:
    """The objects of the store, of which the next one can be looked at before it is taken."""

    source: AsyncIterator[Blob]
    taken: int = 0
    _next: list[Blob] = field(default_factory=list)

    async def next(self) -> Blob | None:
        """The next object; None where there is no other."""
        if not self._next:
            found = await anext(self.source, None)
            self._next = [] if found is None else [found]
        return self._next[0] if self._next else None

    def take(self) -> None:
        """Goes on behind it."""
        self._next = []
        self.taken += 1


@dataclass
class _Comparison:
    services: Services
    mend: bool
    ahead: _Ahead
    before: datetime
    findings: Findings = field(default_factory=Findings)
    files: int = 0
    mended: int = 0

    async def file(self, row: Document) -> None:
        """Holds a row against the objects that are its own; those before them are nobody's."""
        self.files += 1
        prefix, own = blob_prefix(row["account_id"], row["_id"]), None
        while (blob := await self.ahead.next()) is not None and (blob.key < prefix or blob.key.startswith(prefix)):
            if blob.key == f"{prefix}{row['blob']}":
                own = blob
            elif not blob.key.startswith(f"{prefix}{THUMBNAIL}"):
                await self.nobodys(blob)
            self.ahead.take()
        await self._check(row, own)

    async def rest(self) -> None:
        """What comes behind the last row is nobody's either."""
        while (blob := await self.ahead.next()) is not None:
            await self.nobodys(blob)
            self.ahead.take()

    async def nobodys(self, blob: Blob) -> None:
        """Notes an object that no row knows, and deletes it where that is to be."""
        if blob.changed_at >= self.before:
            return
        self.findings.add(f"{blob.key}: {blob.size:,} bytes that belong to no file")
        if self.mend:
            await self.services.outside.blobs.delete([blob.key])
            self.mended += 1

    async def given_up(self, prefix: str) -> None:
        """Notes old uploads in parts that nobody will finish any more, and drops them where that is to be."""
        blobs = self.services.outside.blobs
        async for upload in blobs.open_uploads(prefix):
            if upload.begun_at < self.before:
                self.findings.add(f"{upload.key}: an upload in parts that was given up")
                if self.mend:
                    await blobs.drop_parts(upload.key, upload.upload_id)
                    self.mended += 1

    async def _check(self, row: Document, own: Blob | None) -> None:
        name, whole = f"file {row['_id']}", own is not None and own.size == row["size_bytes"]
        if row["status"] == "LOST" and whole:
            self.findings.add(f"{name}: its bytes were lost, and are there again")
            await self._note(row, there=True)
        elif row["status"] == "READY" and not whole and (state := await self._still_wrong(row)):
            self.findings.add(f"{name}: {state}")
            await self._note(row, there=False)

    async def _still_wrong(self, row: Document) -> str | None:
        """What is wrong with a file that is READY, as it and the store are now."""
        moment = await Moment.now(self.services.database)
        now = await moment.by_ids(tables.File, [row["_id"]], _COLUMNS)
        if not now or now[0]["status"] != "READY" or now[0]["blob"] != row["blob"]:
            return None
        blob = await self.services.outside.blobs.head(f"{blob_prefix(row['account_id'], row['_id'])}{row['blob']}")
        if blob is None:
            return "its bytes are lost"
        wrong = blob.size != row["size_bytes"]
        return f"it has {blob.size:,} bytes in the store, not {row['size_bytes']:,}" if wrong else None

    async def _note(self, row: Document, *, there: bool) -> None:
        if self.mend:
            calls = Calls(self.services, on_behalf_of(row["account_id"], row["uploaded_by_id"]))
            await calls.mutate(note_bytes, file_id=row["_id"], there=there)
            self.mended += 1


async def verify_files(services: Services, account_id: str | None = None, *, mend: bool = False) -> FilesVerification:
    """Looks at the files of one account or, where none is named, of all.

    With `mend`, objects that have long belonged to no file are deleted, and files whose bytes are gone or not whole are LOST. Raises
    NotFoundError where there is no such account, UnavailableError where a server does not answer.
    """
    begun, below = time.monotonic(), "" if account_id is None else f"{account_id}/"
    blobs = services.outside.blobs
    before = services.clock() - GRACE
    comparison = _Comparison(services, mend, _Ahead(blobs.find(FINAL + below)), before)
    async for low, high, _ in groups_of_accounts(services.database, account_id):
        moment = await Moment.now(services.database)
        async with aclosing(moment.stream(tables.File, "by_account", _COLUMNS, low=low, high=high)) as batches:
            async for batch in batches:
                for row in batch:
                    await comparison.file(row)
    await comparison.rest()
    comparison.before -= services.outside.storage.upload_time
    async for blob in blobs.find(ARRIVING + below):
        comparison.ahead.taken += 1
        await comparison.nobodys(blob)
    await comparison.given_up(FINAL + below)
    found = comparison.findings
    seconds = time.monotonic() - begun
    return FilesVerification(tuple(found.lines), found.more, comparison.files, comparison.ahead.taken, comparison.mended, seconds)
