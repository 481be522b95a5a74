"""Making what is outside calls none of it."""

from pydantic import SecretStr

from datastore.settings import Settings
from resolvers.outside import open_outside


async def test_a_file_store_that_is_down_is_no_reason_not_to_start() -> None:
    nobody = Settings(s3_endpoint="http://127.0.0.1:9", s3_access_key=SecretStr("a"), s3_secret_key=SecretStr("b"))
    async with open_outside(nobody, b"secret") as outside:
        assert outside.blobs.bucket == nobody.s3_bucket
