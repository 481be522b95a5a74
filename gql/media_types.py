"""Content negotiation of the GraphQL endpoint (RFC 9110 sections 8.3 and 12.5.1; GraphQL over HTTP, "Media Types")."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.request import parse_http_list

JSON: Final = "application/json"
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"
EVENT_STREAM: Final = "text/event-stream"
MULTIPART: Final = "multipart/mixed"

# In the order of our preference where a client has none: a wildcard names no client that knows the newer type.
_OFFERED: Final = (JSON, GRAPHQL_RESPONSE, EVENT_STREAM)
_STREAMS: Final = (EVENT_STREAM, MULTIPART)
_SUBSCRIPTION_SPEC: Final = "1.0"
# Clients send the same few headers again and again; a hostile one can fill 64 entries of 64 KiB and no more.
_KEPT: Final = 64


@dataclass(frozen=True, slots=True)
class _Range:
    """A media range of an Accept header; `position` is its place there."""

    type: str
    quality: float
    position: int

    @property
    def specificity(self) -> int:
        return 0 if self.type == "*/*" else 1 if self.type.endswith("/*") else 2

    def covers(self, media_type: str) -> bool:
        """Whether a type is in the range. A stream is what a client knows to read by its very name, never by a wildcard."""
        if media_type in _STREAMS:
            return self.type == media_type
        return self.type in {media_type, "*/*"} or (self.type.endswith("/*") and media_type.startswith(self.type[:-1]))


@lru_cache(maxsize=_KEPT)
def response_type(accept: str | None) -> str | None:
    """The media type to answer an operation of one result with, or None where the client takes none of ours.

    Highest quality first, then what the client named before what a wildcard covers, then what it named first. Without the header, or with
    wildcards only, it is application/json.
    """
    if accept is None or not accept.strip():
        return JSON
    return _best(_OFFERED, _ranges(accept))


@lru_cache(maxsize=_KEPT)
def stream_type(accept: str | None) -> str | None:
    """The media type to answer a subscription with: one that the client named, or None. Ranks as `response_type` does."""
    return _best(_STREAMS, _ranges(accept or ""))


def _best(offered: Iterable[str], ranges: Sequence[_Range]) -> str | None:
    best: tuple[float, int, int] | None = None
    chosen = None
    for media_type in offered:
        covering = [accepted for accepted in ranges if accepted.covers(media_type)]
        if not covering:
            continue
        closest = max(covering, key=lambda accepted: accepted.specificity)
        rank = (closest.quality, closest.specificity, -closest.position)
        if closest.quality > 0 and (best is None or rank > best):
            best, chosen = rank, media_type
    return chosen


@lru_cache(maxsize=_KEPT)
def is_json(content_type: str | None) -> bool:
    """Whether a request's Content-Type says JSON in UTF-8, which is the encoding where it names none."""
    if content_type is None:
        return False
    media_type, parameters = _parse(content_type)
    return media_type == JSON and _is_utf8(parameters)


def _ranges(accept: str) -> list[_Range]:
    return [accepted for position, element in enumerate(parse_http_list(accept)) if (accepted := _range(element, position))]


def _range(element: str, position: int) -> _Range | None:
    """One element of an Accept header; None for one that is malformed, asks for another encoding than UTF-8, or for parts of another kind.

    Apollo's subscriptions are multipart/mixed with a `subscriptionSpec`; without it, it is for what `@defer` and `@stream` send.
    """
    media_type, parameters = _parse(element)
    if media_type == MULTIPART and parameters.get("subscriptionspec") != _SUBSCRIPTION_SPEC:
        return None
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return None
    if not (math.isfinite(quality) and 0 <= quality <= 1 and _is_utf8(parameters)):
        return None
    return _Range(media_type, quality, position)


def _parse(value: str) -> tuple[str, dict[str, str]]:
    media_type, *rest = value.split(";")
    parameters = {}
    for parameter in rest:
        name, _, text = parameter.partition("=")
        parameters[name.strip().lower()] = text.strip().strip('"')
    return media_type.strip().lower(), parameters


def _is_utf8(parameters: dict[str, str]) -> bool:
    return parameters.get("charset", "utf-8").lower() in {"utf-8", "utf8"}
