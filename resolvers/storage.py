"""What is known of the file store without asking it: where a file's bytes lie, what may be stored, and signed requests for clients."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from datastore import schema as tables
from datastore.blobs import signer_of
from datastore.errors import UnavailableError
from datastore.ids import new_id
from datastore.settings import Settings
from datastore.signing import LONGEST_SECONDS, Signer
from resolvers.downloads import disposition, served_type

MOST_PARTS: Final = 1000
"""Of one upload: larger files have larger parts."""

FINAL: Final = "files/"
"""What the keys of files begin with. Clients are never given a URL that writes there, but for parts of an object that is not there yet."""

THUMBNAIL: Final = "thumbnail-"
"""What the last parts of the keys of thumbnails begin with."""

ARRIVING: Final = "arriving/"
"""What the keys of uploads begin with that nobody has looked at yet."""


@dataclass(frozen=True, slots=True)
class SignedPart:
    """One part of an upload: `size` bytes, sent by PUT."""

    number: int
    url: str
    size: int


@dataclass(frozen=True, slots=True)
class Storage:
    """The terms of one deployment; sizes in bytes."""

    signer: Signer | None
    quota_bytes: int
    largest_bytes: int
    part_bytes: int
    upload_time: timedelta
    bin_time: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "Storage":
        """What the settings say."""
        return cls(
            signer=signer_of(settings),
            quota_bytes=settings.storage_quota_bytes,
            largest_bytes=settings.max_file_bytes,
            part_bytes=settings.upload_part_bytes,
            upload_time=timedelta(seconds=settings.upload_seconds),
            bin_time=timedelta(days=settings.bin_days),
        )

    def in_parts(self, size: int) -> bool:
        """Whether a file of this size is uploaded in parts."""
        return size > self.part_bytes

    def form(self, row: tables.File, at: datetime) -> tuple[str, dict[str, str]]:
        """Where and with which fields a form uploads this file."""
        signer = self._signer()
        fields = signer.form(arriving_key(row), at=at, seconds=self._seconds, content_type=row.content_type, size=row.size_bytes)
        return signer.form_url, fields

    def put(self, row: tables.File, at: datetime) -> tuple[str, dict[str, str]]:
        """The URL and the headers by which a PUT uploads this file."""
        headers = {"Content-Type": row.content_type, "Content-Length": str(row.size_bytes)}
        return self._signer().url("PUT", arriving_key(row), at=at, seconds=self._seconds, headers=headers), headers

    def parts(self, row: tables.File, at: datetime) -> list[SignedPart]:
        """The parts that this file is uploaded in."""
        signer, key, sizes = self._signer(), blob_key(row), self.part_sizes(row.size_bytes)
        signed = []
        for number, size in enumerate(sizes, start=1):
            query = {"partNumber": str(number), "uploadId": row.upload_id or ""}
            headers = {"Content-Length": str(size)}
            url = signer.url("PUT", key, at=at, seconds=self._seconds, query=query, headers=headers)
            signed.append(SignedPart(number, url, size))
        return signed

    def part_sizes(self, size: int) -> list[int]:
        """The sizes of the parts of a file of this size."""
        length = max(self.part_bytes, ceil(size / MOST_PARTS))
        whole, rest = divmod(size, length)
        return [length] * whole + [rest] * (rest > 0)

    def download(self, row: tables.File, at: datetime, seconds: int, *, inline: bool) -> tuple[str, datetime]:
        """A URL of the file's bytes, and until when it is the one to give.

        It is good for at most so many seconds, and for half of them at least: a URL counts from the beginning of a stretch of time half as
        long, so that whoever asks again within it gets the same one, and live results need no other until its end.
        """
        shown_as = disposition(row.name, row.content_type, inline=inline)
        return self._link(blob_key(row), served_type(row.content_type), shown_as, at, seconds)

    def picture(self, key: str, content_type: str, at: datetime, seconds: int) -> tuple[str, datetime]:
        """The same of a picture that was made here, which browsers may show."""
        return self._link(key, content_type, "inline", at, seconds)

    def _link(self, key: str, content_type: str, shown_as: str, at: datetime, seconds: int) -> tuple[str, datetime]:
        stretch = max(1, min(seconds, LONGEST_SECONDS) // 2)
        begun = int(at.timestamp()) // stretch * stretch
        query = {
            "response-content-type": content_type,
            "response-content-disposition": shown_as,
            "response-cache-control": "private",
        }
        url = self._signer().url("GET", key, at=datetime.fromtimestamp(begun, UTC), seconds=seconds, query=query)
        return url, datetime.fromtimestamp(begun + stretch, UTC)

    @property
    def _seconds(self) -> int:
        return int(self.upload_time.total_seconds())

    def _signer(self) -> Signer:
        if self.signer is None:
            raise UnavailableError("There is no file store.")
        return self.signer


def arriving_key(row: tables.File) -> str:
    """Where a file's bytes are uploaded to. Whoever has the URL can write there until it expires, so nobody is given them from there."""
    return f"{ARRIVING}{row.account_id}/{row.id}"


def blob_key(row: tables.File, version: str | None = None) -> str:
    """Where a file's bytes lie for good; `version` is that of a row that does not have it yet."""
    return f"{blob_prefix(row.account_id, row.id)}{version or row.blob}"


def blob_prefix(account_id: str, file_id: str) -> str:
    """What the keys of all that was ever stored for a file begin with."""
    return f"{FINAL}{account_id}/{file_id}/"


def thumbnail_key(row: tables.Thumbnail) -> str:
    """Where a thumbnail lies: among what is stored for its file."""
    return f"{blob_prefix(row.account_id, row.file_id)}{THUMBNAIL}{row.size.lower()}"


def new_version() -> str:
    """A name for bytes that have not been stored before."""
    return new_id("v").partition("_")[2]
