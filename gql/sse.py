"""Server-sent events: the "distinct connections mode" of GraphQL over SSE (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md).

One request is one operation; closing the connection completes it. Errors of a document are `next` events, as the protocol wants it; what is
wrong with the request itself (who asks, how, how much) is an HTTP status, after which the reference client comes back.
"""

from gql.errors import FormattedError, encode_errors
from gql.media_types import EVENT_STREAM


class EventStream:
    """How results stand in a stream of events (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation).

    A body is one line of `data`: our JSON holds no line breaks.
    """

    content_type = f"{EVENT_STREAM}; charset=utf-8"
    opening = b":\n\n"
    keep_alive = b":\n\n"
    closing = b"event: complete\ndata:\n\n"

    @staticmethod
    def result(body: bytes) -> bytes:
        """One GraphQL response."""
        return b"event: next\ndata: %s\n\n" % body

    @classmethod
    def fault(cls, errors: list[FormattedError]) -> bytes:
        """Why the stream ends, where that is no result of the operation: this protocol knows no difference."""
        return cls.result(encode_errors(errors))


def whole_stream(body: bytes) -> bytes:
    """All of the stream of an operation with one result."""
    return EventStream.result(body) + EventStream.closing
