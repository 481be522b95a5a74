"""Signed requests to an S3 store, for clients to send themselves (AWS Signature Version 4).

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html for URLs,
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html for forms.

Signing is arithmetic, which no store is asked for. It is done here, not by the S3 client, because the moment that a signature counts from
must be the caller's: a query that shows a signed URL gives the same one whenever it runs at the same instant. A test holds every signature
to that of botocore.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit

LONGEST_SECONDS: Final = 7 * 86_400
"""That a signed URL can be good for; S3's own limit."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests for the objects of one bucket. `endpoint` is the store's URL as clients reach it."""

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)

    def url(
        self,
        method: str,
        key: str,
        *,
        at: datetime,
        seconds: int,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
    ) -> str:
        """A URL that is good for `seconds` from `at` on, for one method, one object, and exactly these headers, sent with these values."""
        address = urlsplit(self.endpoint)
        path = f"{address.path.rstrip('/')}/{self.bucket}/{quote(key, safe='/~')}"
        signed = {"host": address.netloc} | {name.lower(): value.strip() for name, value in headers.items()}
        names = ";".join(sorted(signed))
        parameters = dict(query) | {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.access_key}/{self._scope(at)}",
            "X-Amz-Date": _stamp(at),
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": names,
        }
        sent = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in sorted(parameters.items()))
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(signed.items()))
        canonical = f"{method}\n{path}\n{sent}\n{lines}\n{names}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = self._signature("\n".join([_ALGORITHM, _stamp(at), self._scope(at), digest]), at)
        return f"{address.scheme}://{address.netloc}{path}?{sent}&X-Amz-Signature={signature}"

    def form(self, key: str, *, at: datetime, seconds: int, content_type: str, size: int) -> dict[str, str]:
        """The fields of a form that uploads one object of exactly this type and size, to be sent to `form_url` before the field `file`."""
        fixed = {
            "key": key,
            "Content-Type": content_type,
            "success_action_status": "204",
            "x-amz-algorithm": _ALGORITHM,
            "x-amz-credential": f"{self.access_key}/{self._scope(at)}",
            "x-amz-date": _stamp(at),
        }
        policy = {
            "expiration": (at + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "conditions": [
                {"bucket": self.bucket},
                *({name: value} for name, value in fixed.items()),
                ["content-length-range", size, size],
            ],
        }
        encoded = base64.b64encode(json.dumps(policy).encode()).decode()
        return {**fixed, "policy": encoded, "x-amz-signature": self._signature(encoded, at)}

    @property
    def form_url(self) -> str:
        """Where forms are sent."""
        return f"{self.endpoint.rstrip('/')}/{self.bucket}"

    def _scope(self, at: datetime) -> str:
        return f"{at:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, text: str, at: datetime) -> str:
        key = _signing_key(self.secret_key, f"{at:%Y%m%d}", self.region)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _stamp(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}"


def _encoded(text: str) -> str:
    return quote(text, safe="~")


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
