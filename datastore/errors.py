"""The errors a caller may be told of: one base class, one subclass for each code of the API.

A class fixes the code; its docstring is the code's explanation. Everything that is not one of these is a fault of ours and reaches the
client as `INTERNAL` with a request id and nothing else (`gql.errors` is the one place where errors become responses).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one argument or input field.

    `path` is written as the client wrote it, names joined by dots (`input.items.0.quantity`).
    """

    path: str
    message: str


class TillstreamError(Exception):
    """An answer that the caller should read and can act on. Never raised itself."""

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def extensions(self) -> dict[str, object]:
        """What stands beside the message under `errors[].extensions`."""
        return {"code": self.code}


class UnauthenticatedError(TillstreamError):
    """Nobody is signed in, or the session has ended."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class ForbiddenError(TillstreamError):
    """The caller is known, but their role does not allow this."""

    code = "FORBIDDEN"


class NotFoundError(TillstreamError):
    """There is no such row, or the caller may not see it: the two look alike on purpose."""

    code = "NOT_FOUND"


class InvalidInputError(TillstreamError):
    """An argument is malformed, out of range, or of the wrong kind; `fields` names each."""

    code = "INVALID_INPUT"

    def __init__(self, message: str, fields: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)

    @classmethod
    def of(cls, path: str, message: str) -> "InvalidInputError":
        """An error about the one argument or field at `path`."""
        return cls(f"{path}: {message}", [FieldProblem(path, message)])

    def extensions(self) -> dict[str, object]:
        """The code, and `fields: [{path, message}]`."""
        return {"code": self.code, "fields": [{"path": f.path, "message": f.message} for f in self.fields]}


class ConflictError(TillstreamError):
    """The request was understood but does not fit what is stored now (a name taken, stock gone, a row changed meanwhile)."""

    code = "CONFLICT"


class RateLimitedError(TillstreamError):
    """Too many requests; try again after `retry_after` seconds."""

    code = "RATE_LIMITED"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def extensions(self) -> dict[str, object]:
        """The code, and `retryAfter` in seconds."""
        return {"code": self.code, "retryAfter": self.retry_after}


class TooComplexError(TillstreamError):
    """The document asks for more than one request may."""

    code = "TOO_COMPLEX"


class UnavailableError(TillstreamError):
    """A server that is needed does not answer, or contention did not end in time; nothing was changed; try again."""

    code = "UNAVAILABLE"
