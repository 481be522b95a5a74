"""Apollo's subscriptions over multipart HTTP (https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol)."""

from typing import Final

import orjson

from gql.errors import FormattedError
from gql.media_types import MULTIPART

_BOUNDARY: Final = b"\r\n--graphql"
_PART: Final = b"\r\nContent-Type: application/json\r\n\r\n%s" + _BOUNDARY


class Multipart:
    """How results stand in parts (RFC 2046, section 5.1.1).

    Each part is sent with the boundary that ends it: a client knows a part to be whole only by that. Errors inside `payload` are the
    operation's; those beside it are the transport's, and end the stream.
    """

    content_type = f"{MULTIPART}; boundary=graphql; subscriptionSpec=1.0"
    opening = _BOUNDARY
    keep_alive = _PART % b"{}"
    closing = b"--\r\n"

    @staticmethod
    def result(body: bytes) -> bytes:
        """One GraphQL response."""
        return _PART % (b'{"payload":%s}' % body)

    @staticmethod
    def fault(errors: list[FormattedError]) -> bytes:
        """Why the stream ends, where that is no result of the operation."""
        return _PART % orjson.dumps({"payload": None, "errors": errors})
