"""The OpenAPI document: a valid 3.1 one, of exactly the routes there are."""

from __future__ import annotations

import re
from typing import Any

from dispatcher.console.app import API, table

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


async def described(client) -> dict[str, Any]:
    async with client.get(f"{API}/openapi.json") as response:
        assert response.status == 200
        return await response.json()


def walk(value: Any):
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


async def test_it_describes_exactly_the_routes(client):
    document = await described(client)
    written = {
        (method.upper(), API + path) for path, methods in document["paths"].items() for method in methods
    }
    served = {
        (route.method, route.resource.canonical)
        for route in client.app.router.routes()
        if route.resource.canonical.startswith(API) and route.method != "HEAD"
    } - {("GET", f"{API}/openapi.json"), ("GET", f"{API}/docs")}
    assert written == served
    assert {
        ("POST", f"{API}/signals"),
        ("GET", f"{API}/events"),
        ("POST", f"{API}/calls/{{id}}/en-route"),
    } <= written


async def test_it_is_a_valid_document(client):
    document = await described(client)
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= set(document["info"])
    names: list[str] = []
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        for method, operation in methods.items():
            assert method in METHODS
            names.append(operation["operationId"])
            assert operation["responses"]
            for status, response in operation["responses"].items():
                assert re.fullmatch(r"[1-5]\d\d", status)
                assert response["description"]
            assert any(status.startswith("2") for status in operation["responses"])
            inside = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
            keys = [(p["name"], p["in"]) for p in operation.get("parameters", [])]
            assert len(keys) == len(set(keys))
            assert operation["x-summary-zh"]
            assert not (method in {"get", "delete"} and "requestBody" in operation)
    assert len(names) == len(set(names))


async def test_every_reference_holds(client):
    document = await described(client)
    schemas = document["components"]["schemas"]
    for part in walk(document):
        if "$ref" in part:
            name = part["$ref"].removeprefix("#/components/schemas/")
            assert name in schemas, part
    for name, schema in schemas.items():
        assert schema.get("type") or schema.get("anyOf") or schema.get("enum"), name


async def test_both_languages_are_in_the_table():
    for endpoint in table():
        assert endpoint.en
        assert re.search(r"[\u4e00-\u9fff]", endpoint.zh), endpoint.name


async def test_the_browser_of_it_is_self_contained(client):
    async with client.get(f"{API}/docs") as response:
        page = await response.text()
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert not re.search(r"https?://", page)
    assert "/web/docs.js" in page
