"""The S3 store that files live in. Bytes go between clients and the store directly; the process signs, looks, and checks what is there."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from datastore.errors import UnavailableError
from datastore.settings import Settings
from datastore.signing import Signer

logger = logging.getLogger(__name__)

CHUNK_BYTES: Final = 1 << 18
"""Of an object that come at once, at most, where it is read."""

PART_BYTES: Final = 5 << 20
"""Of an object that is written: more is sent in parts of this size, the least that S3 takes. It takes 10,000 of them."""

_CONNECT_SECONDS: Final = 5
_READ_SECONDS: Final = 30
_DELETED_AT_ONCE: Final = 1000
_ABSENT: Final = frozenset({"404", "NoSuchBucket", "NotFound", "NoSuchKey", "NoSuchUpload"})
_DEAF: Final = "The file store does not answer."


class NoBlobError(Exception):
    """There is no such object, or no such upload in parts."""


@dataclass(frozen=True, slots=True)
class Blob:
    """An object of the bucket."""

    key: str
    size: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an object that is being uploaded in parts."""

    number: int
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload in parts that is under way, or was given up."""

    key: str
    upload_id: str
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """What was written: its size in bytes and its SHA-256, hexadecimal."""

    size: int
    sha256: str


class Blobs:
    """One bucket of an S3 store. Every call raises UnavailableError where the store does not answer or refuses us."""

    def __init__(self, client: Any, bucket: str, origins: Sequence[str] = ()) -> None:
        self._client = client
        self.bucket = bucket
        self._origins = origins

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncGenerator[Self, None]:
        """The bucket that the settings name. The store is not asked yet: `prepare` does that."""
        access_key, secret_key = settings.s3_access_key, settings.s3_secret_key
        async with get_session().create_client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=access_key.get_secret_value() if access_key else None,
            aws_secret_access_key=secret_key.get_secret_value() if secret_key else None,
            config=AioConfig(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"max_attempts": 2},
                # Stores other than AWS do not all take the checksums that newer clients add by themselves.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
            ),
        ) as client:
            yield cls(client, settings.s3_bucket, settings.allowed_origins)

    # --- the bucket ---

    async def prepare(self) -> None:
        """Makes the bucket where there is none, and lets browsers of the allowed origins upload to it, where the store has a say."""
        if not await self._exists():
            await self._make()
        if self._origins:
            await self._allow_origins()

    async def ping(self) -> None:
        """Returns when the store answers for the bucket."""
        if not await self._exists():
            raise UnavailableError(f"There is no bucket {self.bucket} in the file store.")

    async def _exists(self) -> bool:
        try:
            with _translated():
                await self._client.head_bucket(Bucket=self.bucket)
        except NoBlobError:
            return False
        return True

    async def _make(self) -> None:
        try:
            await self._client.create_bucket(Bucket=self.bucket)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"The bucket {self.bucket} could not be made in the file store.") from error

    async def _allow_origins(self) -> None:
        rule = {
            "AllowedOrigins": list(self._origins),
            "AllowedMethods": ["GET", "HEAD", "PUT", "POST"],
            "AllowedHeaders": ["*"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 600,
        }
        try:
            await self._client.put_bucket_cors(Bucket=self.bucket, CORSConfiguration={"CORSRules": [rule]})
        except ClientError:
            return  # a store that knows no such rules, or keys that may not set them: then whoever runs it says who may
        except BotoCoreError as error:
            raise UnavailableError(_DEAF) from error

    # --- objects ---

    async def head(self, key: str) -> Blob | None:
        """The object with this key; None where there is none."""
        try:
            with _translated():
                found = await self._client.head_object(Bucket=self.bucket, Key=key)
        except NoBlobError:
            return None
        return Blob(key, found["ContentLength"], found["LastModified"])

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """An object's bytes as they come, some at a time. Raises NoBlobError where there is none."""
        with _translated():
            reply = await self._client.get_object(Bucket=self.bucket, Key=key)
            async with reply["Body"] as body:
                while chunk := await body.read(CHUNK_BYTES):
                    yield chunk

    async def write(self, key: str, content_type: str, chunks: AsyncIterable[bytes]) -> Stored:
        """Writes an object as its bytes come, in memory for a few parts at most. Where it fails, there is no object."""
        digest, size = hashlib.sha256(), 0
        parts: list[Part] = []
        upload_id = None
        try:
            async for piece in _pieces(chunks, PART_BYTES):
                if upload_id is not None and not piece:
                    break
                size += len(piece)
                await asyncio.to_thread(digest.update, piece)
                if upload_id is None and len(piece) < PART_BYTES:
                    await self._put(key, content_type, piece)
                    return Stored(size, digest.hexdigest())
                upload_id = upload_id or await self.begin_parts(key, content_type)
                parts.append(await self._put_part(key, upload_id, len(parts) + 1, piece))
            if upload_id is not None:
                await self.finish_parts(key, upload_id, parts)
        except BaseException:
            if upload_id is not None:
                await asyncio.shield(self.drop_parts(key, upload_id))
            raise
        return Stored(size, digest.hexdigest())

    async def copy(self, source: str, target: str) -> None:
        """Copies an object of 5 GiB at most inside the store. Raises NoBlobError where there is none."""
        with _translated():
            await self._client.copy_object(Bucket=self.bucket, Key=target, CopySource={"Bucket": self.bucket, "Key": source})

    async def delete(self, keys: Iterable[str]) -> None:
        """Deletes objects; what is not there is deleted already."""
        waiting = list(keys)
        while waiting:
            portion, waiting = waiting[:_DELETED_AT_ONCE], waiting[_DELETED_AT_ONCE:]
            with _translated():
                objects = {"Objects": [{"Key": key} for key in portion], "Quiet": True}
                reply = await self._client.delete_objects(Bucket=self.bucket, Delete=objects)
            refused = [error for error in reply.get("Errors", ()) if error.get("Code") not in _ABSENT]
            if refused:
                raise UnavailableError("The file store did not delete everything.")

    async def delete_quietly(self, key: str) -> None:
        """Deletes an object that does no harm where it stays: `tillstream verify --files` finds what is left behind."""
        try:
            await self.delete([key])
        except UnavailableError as error:
            logger.info("%s was left behind in the file store: %s", key, error)

    async def find(self, prefix: str) -> AsyncIterator[Blob]:
        """The objects whose keys begin so, in the order of their keys (by UTF-8), a thousand at a time."""
        with _translated():
            async for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for found in page.get("Contents", ()):
                    yield Blob(found["Key"], found["Size"], found["LastModified"])

    # --- uploads in parts ---

    async def begin_parts(self, key: str, content_type: str) -> str:
        """Begins an object that is uploaded in parts; the id of the upload."""
        with _translated():
            reply = await self._client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
        return str(reply["UploadId"])

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that have been uploaded, by number. SeaweedFS lists one that was sent again once for each time, and given all of
        these back, takes the last (AWS lists the last alone).

        Raises NoBlobError where there is no such upload any more.
        """
        found = []
        with _translated():
            async for page in self._client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=upload_id):
                found += [Part(part["PartNumber"], part["Size"], part["ETag"]) for part in page.get("Parts", ())]
        return found

    async def finish_parts(self, key: str, upload_id: str, parts: Sequence[Part]) -> None:
        """Makes the object of its parts, whose URLs are void from then on. Raises NoBlobError where there is no such upload any more."""
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with _translated():
            await self._client.complete_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed})

    async def drop_parts(self, key: str, upload_id: str) -> None:
        """Throws the parts of an upload away; where there are none, that was done."""
        try:
            with _translated():
                await self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except NoBlobError:
            return

    async def open_uploads(self, prefix: str) -> AsyncIterator[OpenUpload]:
        """The uploads in parts, of objects whose keys begin so, that were neither finished nor dropped."""
        with _translated():
            async for page in self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix):
                for found in page.get("Uploads", ()):
                    yield OpenUpload(found["Key"], found["UploadId"], found["Initiated"])

    async def _put(self, key: str, content_type: str, piece: bytes) -> None:
        with _translated():
            await self._client.put_object(Bucket=self.bucket, Key=key, ContentType=content_type, Body=piece)

    async def _put_part(self, key: str, upload_id: str, number: int, piece: bytes) -> Part:
        with _translated():
            reply = await self._client.upload_part(Bucket=self.bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=piece)
        return Part(number, len(piece), reply["ETag"])


def signer_of(settings: Settings) -> Signer | None:
    """What signs requests for clients; None where the settings name no store."""
    endpoint = settings.s3_public_endpoint or settings.s3_endpoint
    if endpoint is None or settings.s3_access_key is None or settings.s3_secret_key is None:
        return None
    access_key, secret_key = settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()
    return Signer(endpoint, settings.s3_bucket, settings.s3_region, access_key, secret_key)


async def _pieces(chunks: AsyncIterable[bytes], length: int) -> AsyncGenerator[bytes, None]:
    """The same bytes in pieces of one length, the last of which is shorter, and may be empty."""
    waiting = bytearray()
    async for chunk in chunks:
        waiting += chunk
        while len(waiting) >= length:
            with memoryview(waiting) as view:
                piece = bytes(view[:length])
            del waiting[:length]
            yield piece
    yield bytes(waiting)


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the client as our own."""
    try:
        yield
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _ABSENT:
            raise NoBlobError from error
        raise UnavailableError("The file store refuses a request of ours.") from error
    except (BotoCoreError, OSError, TimeoutError) as error:
        raise UnavailableError(_DEAF) from error
