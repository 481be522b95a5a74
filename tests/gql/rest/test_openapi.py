"""The description of the REST API is valid OpenAPI, and true: what the server answers is as it says."""

import re
from typing import Any

import httpx
import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gql.rest import declared_routes
from gql.rest.openapi import PREFIX, description
from tests.gql.api import Api, Person
from tests.resolvers.key_ring import program
from tests.resolvers.shop import make_product

SALE = {"paymentMethod": "CASH", "customerName": "Grace"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return description(declared_routes())


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    """Fails where a value is not as a schema of the document says."""
    OAS31Validator({**schema, "components": document["components"]}).validate(value)


def schema_of(document: dict[str, Any], response: httpx.Response) -> dict[str, Any]:
    """The schema that the document has for a response."""
    path = re.sub(r"/(sal|prd)_\w+", "/{id}", response.request.url.path)
    operation = document["paths"][path][response.request.method.lower()]
    schema: dict[str, Any] = operation["responses"][str(response.status_code)]["content"][response.headers["content-type"]]["schema"]
    return schema


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_every_route_is_described_with_its_parameters_its_body_and_its_answers(document: dict[str, Any]) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len(operations) == len(declared_routes())
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for route in declared_routes():
        operation = document["paths"][PREFIX + route.path][route.method.lower()]
        named = {parameter["name"] for parameter in operation["parameters"]}
        fields = {field.alias for field in route.query.model_fields.values()} if route.query else set()
        assert named == {*route.places, *fields, *(["Idempotency-Key"] if route.method == "POST" else [])}
        assert ("requestBody" in operation) == (route.body is not None or route.uploads)
        assert {"400", "401", "403", "429", "500", "503"} < set(operation["responses"])
        assert route.right in operation["description"]


def test_nothing_in_the_document_is_described_by_an_empty_word(document: dict[str, Any]) -> None:
    def walk(part: Any) -> None:
        if isinstance(part, dict):
            assert part.get("description", "x")
            assert part.get("summary", "x")
            for inner in part.values():
                walk(inner)
        for inner in part if isinstance(part, list) else ():
            walk(inner)

    walk(document)


async def test_answers_are_as_the_document_says(document: dict[str, Any], api: Api, owner: Person, live_server: str) -> None:
    product = await make_product(api, owner, stock=5, sku="A-1", cost="1.00", taxRate="7")
    body = {**SALE, "items": [{"productId": product["id"], "quantity": 1, "discount": "0.50"}], "soldAt": "2026-01-01T12:00:00Z"}
    operation = document["paths"]["/api/v1/sales"]["post"]
    check(document, operation["requestBody"]["content"]["application/json"]["schema"], body)
    async with program(api, live_server, owner) as client:
        sold = await client.post("/sales", json=body)
        table = {"content": "name,price\nTea,x\n", "headers": {"Content-Type": "text/csv"}}
        responses = [
            sold,
            await client.get("/sales"),
            await client.get(f"/sales/{sold.json()['id']}"),
            await client.get("/products"),
            await client.get(f"/products/{product['id']}"),
            await client.post("/stock", json={"productId": product["id"], "delta": 1}),
            await client.post("/stock", json={"productId": product["id"], "delta": -100}),
            await client.post("/stock", json={"productId": product["id"]}),
            await client.post("/stock", content=b"{"),
            await client.get("/sales?limit=0"),
            await client.post("/import/products", **table),  # type: ignore[arg-type]
            await client.post("/import/products?mode=skip-bad", **table),  # type: ignore[arg-type]
        ]
    assert [response.status_code for response in responses] == [201, 200, 200, 200, 200, 200, 409, 422, 415, 422, 422, 200]
    for response in responses:
        check(document, schema_of(document, response), response.json())


async def test_the_document_is_open_to_all(document: dict[str, Any], live_server: str) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{live_server}/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == document
