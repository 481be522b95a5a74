"""The description of the REST API (OpenAPI 3.1.1, https://spec.openapis.org/oas/v3.1.1), made from the routes and their models."""

import inspect
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gql.rest.problems import MEDIA_TYPE
from resolvers.product_import import ImportReport
from resolvers.rest_models import OUT
from resolvers.routes import Download, Route

PREFIX: Final = "/api/v1"
_REF: Final = "#/components/schemas/{model}"

Document = dict[str, Any]


class FieldDetail(BaseModel):
    """What is wrong with one field or parameter."""

    model_config = OUT

    path: str
    message: str


class ProblemDetails(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    model_config = OUT

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    code: Literal[
        "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "INVALID_INPUT", "CONFLICT", "RATE_LIMITED", "TOO_COMPLEX", "UNAVAILABLE", "INTERNAL"
    ]
    request_id: str
    fields: list[FieldDetail] | None = None
    retry_after: float | None = None
    report: ImportReport | None = None


_INTRODUCTION: Final = """Sales, products, stock and the ledger of one business, for its programs.

Amounts are decimal strings in the currency beside them, times are UTC, days are those of the business. Lists are read page by page: a
page has a `nextCursor` where another follows, and its address in the header `Link`. A `POST` that is sent again with the same
`Idempotency-Key` and input is carried out once, and answered as the first time."""

_PROBLEMS: Final[Mapping[int, str]] = {
    400: "The query string or the JSON is malformed.",
    401: "There is no API key, or it is not good.",
    403: "The key has not the scope that is needed.",
    429: "Too many requests; `Retry-After` says for how long.",
    500: "A fault of the server; its log has more under the request's id.",
    503: "The database does not answer just now. Nothing was changed; try again.",
}
_PROBLEMS_OF_PLACES: Final = {404: "There is no such row in the business."}
_PROBLEMS_OF_QUERIES: Final = {422: "A parameter is wrong; `fields` names it."}
_PROBLEMS_OF_BODIES: Final = {
    404: "What the body refers to is not there.",
    408: "The rest of the body did not come in time.",
    409: "It does not fit what is stored, or the idempotency key was used with another input.",
    413: "The body is too long.",
    415: "The body is of another type.",
    422: "A field is wrong; `fields` names it.",
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Sent again with the same input within a day, the first result is given again, and nothing is done twice.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def description(routes: Sequence[Route]) -> Document:
    """The whole document."""
    schemas = _Schemas(routes)
    paths: dict[str, Document] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Tillstream",
            "version": version("tillstream"),
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{"apiKey": []}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, routes))],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key (`tsk_live_…`), made by `createApiKey` in GraphQL.",
                }
            },
        },
    }


def encoded_description(routes: Sequence[Route]) -> bytes:
    """The document as it is sent."""
    return orjson.dumps(description(routes), option=orjson.OPT_INDENT_2)


class _Schemas:
    """The models of routes as schemas that refer to each other by name."""

    def __init__(self, routes: Sequence[Route]) -> None:
        taken = {route.body for route in routes if route.body} | {route.query for route in routes if route.query}
        given = {route.answer for route in routes if route.answer is not Download} | {ProblemDetails}
        models: Any = [
            *((model, "validation") for model in sorted(taken, key=lambda model: model.__name__)),
            *((model, "serialization") for model in sorted(given, key=lambda model: model.__name__)),
        ]
        self._named, made = models_json_schema(models, ref_template=_REF)
        everything = {name: _untitled(schema) for name, schema in made["$defs"].items()}
        queries = {self.name_of(route.query, "validation") for route in routes if route.query}
        self.queries = {name: everything[name] for name in queries}
        self.definitions = {name: everything[name] for name in sorted(everything) if name not in queries}

    def name_of(self, model: type[BaseModel], mode: Literal["validation", "serialization"]) -> str:
        """What a model is called among the schemas."""
        return str(self._named[model, mode]["$ref"]).rpartition("/")[2]

    def of(self, model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Document:
        """The reference to a model's schema."""
        return {"$ref": _REF.format(model=self.name_of(model, mode))}


def _operation(route: Route, schemas: _Schemas) -> Document:
    summary, _, rest = (inspect.getdoc(route.function) or "").partition("\n\n")
    operation: Document = {
        "operationId": route.function.__name__,
        "summary": summary,
        "description": f"{rest}\n\nNeeds a key that has the scope `{route.right}`.".strip(),
        "tags": [_tag(route)],
        "x-scope": route.right,
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.body is not None:
        content = {"application/json": {"schema": schemas.of(route.body, "validation")}}
        operation["requestBody"] = {"required": True, "content": content}
    if route.uploads:
        operation["requestBody"] = {"required": True, "content": {name: {"schema": {"type": "string"}} for name in route.media_types}}
    return operation


def _parameters(route: Route, schemas: _Schemas) -> list[Document]:
    parameters: list[Document] = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.places]
    if route.query is not None:
        schema = schemas.queries[schemas.name_of(route.query, "validation")]
        for name, field in schema.get("properties", {}).items():
            told = {key: value for key, value in field.items() if key != "description"}
            parameters.append({"name": name, "in": "query", "description": field.get("description", ""), "schema": _never_null(told)})
    return [*parameters, _IDEMPOTENCY_KEY] if route.method == "POST" else parameters


def _responses(route: Route, schemas: _Schemas) -> Document:
    if route.answer is Download:
        content = {name: {"schema": {"type": "string"}} for name in route.media_types}
    else:
        content = {"application/json": {"schema": schemas.of(route.answer, "serialization")}}
    good: Document = {"description": HTTPStatus(route.status).phrase, "content": content}
    problems = dict(_PROBLEMS)
    problems |= (_PROBLEMS_OF_QUERIES if route.query else {}) | (_PROBLEMS_OF_PLACES if route.places else {})
    problems |= _PROBLEMS_OF_BODIES if route.body or route.uploads else {}
    problem = {MEDIA_TYPE: {"schema": schemas.of(ProblemDetails, "serialization")}}
    bad = {str(status): {"description": text, "content": problem} for status, text in sorted(problems.items())}
    return {str(route.status): good, **bad}


def _tag(route: Route) -> str:
    return route.path.split("/")[1]


def _untitled(schema: Any) -> Any:
    """Without the titles that Pydantic makes of names, and without defaults of null, which say nothing."""
    if isinstance(schema, list):
        return [_untitled(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: part for name, part in schema.items() if not (name == "title" and isinstance(part, str))}
    if kept.get("default", ...) is None:
        del kept["default"]
    return {name: _untitled(part) for name, part in kept.items()}


def _never_null(schema: Document) -> Document:
    """A parameter is left out or has a value."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{name: part for name, part in schema.items() if name != "anyOf"}, **kinds[0]}
