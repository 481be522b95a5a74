"""Documents that a client names instead of sending: those of a manifest, and those that it registered before.

Both are asked for as Apollo's clients do: `extensions.persistedQuery = {version: 1, sha256Hash}` without a `query`
(https://www.apollographql.com/docs/apollo-server/performance/apq). With a manifest (`TILLSTREAM_TRUSTED_DOCUMENTS`) nothing else is carried
out: its documents may be sent by name or in full, and no others.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from datastore.errors import ForbiddenError, InvalidInputError, TillstreamError
from datastore.settings import Settings, SettingsError
from gql.errors import describe
from gql.wire import GraphQLParams, RequestRefused

MOST_DOCUMENTS: Final = 1000
MOST_CHARACTERS: Final = 8 * 1024 * 1024
"""Of all registered documents together. What is registered beyond pushes out what was longest not asked for."""

_EXTENSION: Final = "persistedQuery"
_APOLLO: Final = "apollo-persisted-query-manifest"


class PersistedQueryNotFoundError(TillstreamError):
    """No document is known by this hash here: send it in full, with its hash beside it.

    The one code that is not of the API's list: clients of automatic persisted queries know what to do by it, and by its message.
    """

    code = "PERSISTED_QUERY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("PersistedQueryNotFound")


class PersistedDocuments:
    """The documents of one process by their names; `trusted`, where it is given, has all that there are."""

    def __init__(self, trusted: Mapping[str, str] | None = None) -> None:
        self._trusted = trusted
        self._trusted_texts = frozenset(trusted.values()) if trusted is not None else frozenset()
        self._registered: OrderedDict[str, str] = OrderedDict()
        self._characters = 0

    @classmethod
    def of(cls, settings: Settings) -> "PersistedDocuments":
        """Those that the settings ask for. Raises SettingsError for a manifest that is missing or malformed."""
        path = settings.trusted_documents
        return cls() if path is None else cls(read_manifest(path))

    def text_of(self, params: GraphQLParams) -> str:
        """The document that a request sends or names. Raises RequestRefused."""
        try:
            return self._text(params.query, _hash_in(params.extensions))
        except TillstreamError as error:
            raise RequestRefused([describe(error)]) from None

    def register(self, params: GraphQLParams) -> None:
        """Remembers a document that was sent with its hash and is a good one."""
        digest = _hash_in(params.extensions)
        if digest is None or self._trusted is not None or not params.query or digest in self._registered:
            return
        self._registered[digest] = params.query
        self._characters += len(params.query)
        while len(self._registered) > MOST_DOCUMENTS or self._characters > MOST_CHARACTERS:
            _, dropped = self._registered.popitem(last=False)
            self._characters -= len(dropped)

    def _text(self, query: str, digest: str | None) -> str:
        if self._trusted is not None:
            return self._trusted_text(self._trusted, query, digest)
        if digest is None:
            return query
        if not query:
            if digest not in self._registered:
                raise PersistedQueryNotFoundError
            self._registered.move_to_end(digest)
            return self._registered[digest]
        if hashlib.sha256(query.encode("utf-8", "surrogatepass")).hexdigest() != digest:
            raise InvalidInputError.of(f"extensions.{_EXTENSION}.sha256Hash", "is not the SHA-256 of the query")
        return query

    def _trusted_text(self, trusted: Mapping[str, str], query: str, digest: str | None) -> str:
        text = query or trusted.get(digest or "", "")
        if text not in self._trusted_texts:
            raise ForbiddenError("Only documents that this deployment knows are carried out here.")
        return text


def read_manifest(path: Path) -> dict[str, str]:
    """The documents of a JSON file by their names: an object of them, or a manifest as Apollo's tools write it.

    Raises SettingsError, in one line.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"TILLSTREAM_TRUSTED_DOCUMENTS: {path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SettingsError(f"TILLSTREAM_TRUSTED_DOCUMENTS: {path} is not JSON") from None
    documents = _documents_in(content)
    if documents is None or not all(isinstance(text, str) and text for text in documents.values()):
        raise SettingsError(f"TILLSTREAM_TRUSTED_DOCUMENTS: {path} holds neither {{hash: document}} nor an {_APOLLO} of version 1")
    return documents


def _documents_in(content: Any) -> dict[str, Any] | None:
    if not isinstance(content, dict):
        return None
    if content.get("format") != _APOLLO:
        return content
    try:
        return {str(operation["id"]): operation["body"] for operation in content["operations"]} if content["version"] == 1 else None
    except (KeyError, TypeError):
        return None


def _hash_in(extensions: Mapping[str, Any] | None) -> str | None:
    """The hash that a request names its document by. Raises InvalidInputError for one that is malformed."""
    named = (extensions or {}).get(_EXTENSION)
    if named is None:
        return None
    if not isinstance(named, dict) or named.get("version") != 1:
        raise InvalidInputError.of(f"extensions.{_EXTENSION}.version", "must be 1")
    digest = named.get("sha256Hash")
    if not isinstance(digest, str) or not digest:
        raise InvalidInputError.of(f"extensions.{_EXTENSION}.sha256Hash", "must be a text")
    return digest
