"""What a request says, checked before anything is done: its key, its query string, its body. Raises Problem for all that is wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from datastore.errors import FieldProblem, ForbiddenError, InvalidInputError, UnauthenticatedError, UnavailableError
from gql.bodies import decode_json
from gql.media_types import JSON, is_json
from gql.rest.problems import Problem
from resolvers.auth import KeyAccess, authenticate_key
from resolvers.routes import Route, Upload
from resolvers.services import Services

Model = TypeVar("Model", bound=BaseModel)

STALLED_SECONDS: Final = 30.0
"""How long the next piece of a body may take to come."""

_MOST_PARAMETERS: Final = 32
_BEARER: Final = "bearer "


def key_of(request: Request) -> str:
    """The API key that a request shows."""
    authorization = request.headers.get("authorization", "").strip()
    if not authorization.lower().startswith(_BEARER):
        raise Problem(
            401,
            UnauthenticatedError("Send an API key, as `Authorization: Bearer tsk_live_…`."),
            {"WWW-Authenticate": 'Bearer realm="Tillstream"'},
        )
    return authorization[len(_BEARER) :].strip()


async def access_for(services: Services, key: str, route: Route) -> KeyAccess:
    """What the key gives, if it has the right that the route needs: the one place where that is asked. Raises UnauthenticatedError."""
    access = await authenticate_key(services, key)
    if route.right not in access.scopes:
        raise Problem(
            403,
            ForbiddenError(f"This needs a key that has the scope {route.right}; this one has {', '.join(sorted(access.scopes))}."),
            {"WWW-Authenticate": f'Bearer realm="Tillstream", error="insufficient_scope", scope="{route.right}"'},
        )
    return access


def query_of(request: Request, model: type[BaseModel] | None) -> BaseModel | None:
    """The query string as the route wants it, None where it wants none: no parameter that it does not know, and none twice."""
    try:
        text = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError:  # UnicodeDecodeError is one
        wrong = InvalidInputError(f"The query string is not UTF-8, or has more than {_MOST_PARAMETERS} parameters.")
        raise Problem(400, wrong) from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise Problem(422, InvalidInputError("A parameter is given twice."))
    if model is None:
        if values:
            name = next(iter(values))
            raise Problem(422, InvalidInputError.of(name, "there is no such parameter"))
        return None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _invalid(error) from None


async def body_of(request: Request, model: type[Model], most: int) -> Model:
    """The JSON body as the route wants it."""
    if not is_json(request.headers.get("content-type")) or _is_encoded(request):
        raise Problem(415, InvalidInputError(f"Send the body as {JSON} in UTF-8, not compressed."), {"Accept": JSON})
    body = bytearray()
    async for chunk in body_chunks(request, most):
        body += chunk
    try:
        decode_json(bytes(body))
    except InvalidInputError as error:
        raise Problem(400, error) from None
    try:
        return model.model_validate_json(bytes(body), strict=True)
    except ValidationError as error:
        raise _invalid(error) from None


def upload_of(request: Request, accepted: tuple[str, ...], most: int) -> Upload:
    """The body as it comes."""
    media_type, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    if media_type.strip() not in accepted or _is_encoded(request) or ("charset=" in parameters and "utf-8" not in parameters):
        raise Problem(
            415, InvalidInputError(f"Send the body as {' or '.join(accepted)} in UTF-8, not compressed."), {"Accept": ", ".join(accepted)}
        )
    return Upload(media_type.strip(), body_chunks(request, most))


async def body_chunks(request: Request, most: int) -> AsyncIterator[bytes]:
    """The body, refused as soon as it is known to be too long. Raises ClientDisconnect where the client leaves before its end."""
    too_long = Problem(413, InvalidInputError(f"The body is longer than {most:,} bytes."))
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > most:
        raise too_long
    length, pieces = 0, request.stream()
    while True:
        try:
            async with asyncio.timeout(STALLED_SECONDS):
                chunk = await anext(pieces, None)
        except TimeoutError:
            late = UnavailableError("The rest of the body did not come in time.")
            raise Problem(408, late, {"Connection": "close"}) from None
        if chunk is None:
            return
        length += len(chunk)
        if length > most:
            raise too_long
        yield chunk


def _is_encoded(request: Request) -> bool:
    return request.headers.get("content-encoding", "identity").lower() != "identity"


def _invalid(error: ValidationError) -> Problem:
    problems = [_problem(one) for one in error.errors(include_input=False, include_url=False, include_context=False)]
    return Problem(422, InvalidInputError("; ".join(f"{one.path}: {one.message}" for one in problems), problems))


def _problem(one: Any) -> FieldProblem:
    message = "there is no such field" if one["type"] == "extra_forbidden" else one["msg"].removeprefix("Value error, ")
    return FieldProblem(".".join(map(str, one["loc"])) or "body", message)
