"""The S3 store that files live in. Bytes go between clients and the store directly; the process only signs and looks."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from datastore.errors import UnavailableError
from datastore.settings import Settings

_TIMEOUT_SECONDS = 5
_ABSENT = {"404", "NoSuchBucket", "NotFound"}


class Blobs:
    """One bucket of an S3 store."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

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
                connect_timeout=_TIMEOUT_SECONDS,
                read_timeout=_TIMEOUT_SECONDS,
                retries={"max_attempts": 2},
                s3={"addressing_style": "path"},
            ),
        ) as client:
            yield cls(client, settings.s3_bucket)

    async def prepare(self) -> None:
        """Makes the bucket where it does not exist yet. Raises UnavailableError where the store does not answer or refuses the keys."""
        if not await self._exists():
            await self._make()

    async def ping(self) -> None:
        """Returns when the store answers for the bucket; raises UnavailableError where it does not."""
        if not await self._exists():
            raise UnavailableError(f"There is no bucket {self.bucket} in the file store.")

    async def _exists(self) -> bool:
        try:
            await self._client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _ABSENT:
                return False
            raise UnavailableError("The file store refuses its bucket to us.") from error
        except BotoCoreError as error:
            raise UnavailableError("The file store does not answer.") from error
        return True

    async def _make(self) -> None:
        try:
            await self._client.create_bucket(Bucket=self.bucket)
        except (ClientError, BotoCoreError) as error:
            raise UnavailableError(f"The bucket {self.bucket} could not be made in the file store.") from error
