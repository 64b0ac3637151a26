"""The document describes what is there: every route and type, and real answers fit their schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from server.serving import Served

from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.model.release import Source
from mooring.server.authorization import TABLE
from mooring.server.endpoints import ENDPOINTS
from mooring.testing.hosts import GOOD, a_host_key
from mooring.usecases.requests import HostRequest


@pytest.fixture(scope="module")
def document(served: Served) -> dict:
    return served.http.get("/openapi.json").json()


def refs(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def test_every_route_of_the_table_is_described_and_nothing_else(document: dict) -> None:
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert described == set(TABLE)


def test_every_reference_leads_to_a_schema(document: dict) -> None:
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(refs(document)) <= names
    assert set(refs(document["paths"]))


def test_every_operation_has_a_name_of_its_own_and_says_which_role_it_takes(document: dict) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert ("x-role" in operation) == bool(operation["security"])
        assert {"4XX", "5XX"} <= operation["responses"].keys()


def test_every_parameter_of_a_path_is_declared(document: dict) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def fits(value: object, schema: dict, document: dict, at: str = "$") -> list[str]:
    """What is wrong with a value, by the part of JSON Schema that our types make use of."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return fits(value, document["components"]["schemas"][name], document, at)
    if "anyOf" in schema:
        tried = [fits(value, option, document, at) for option in schema["anyOf"]]
        return [] if any(not each for each in tried) else min(tried, key=len)
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{at}: {value!r} is none of {schema['enum']}"]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        return [f"{at}: {value!r} is no {schema['type']}"]
    found = []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        extra = schema.get("additionalProperties", {})
        for name, inner in value.items():
            if name not in known and known and not extra:
                found.append(f"{at}: {name} is not described")
            found += fits(inner, known.get(name, extra if isinstance(extra, dict) else {}), document, f"{at}.{name}")
    if isinstance(value, list):
        for number, inner in enumerate(value):
            found += fits(inner, schema.get("items", {}), document, f"{at}[{number}]")
    return found


def test_real_answers_fit_their_schemas(served: Served, document: dict) -> None:
    app = EnvironmentId.parse("described")
    served.client.change_config(app, set={"A": "1"})
    deployment = served.deploy(app)
    served.client.lock(app, reason="")
    archive = served.world.state / "described.tar"
    archive.write_bytes(b"as good as a tar here")
    served.ended(served.client.review_up(app.app, archive, Source(digest="described", branch="main")).id)
    served.client.create_token("described", Role.VIEWER)
    served.world.hosts.facts["root@described"] = GOOD
    served.client.add_host(HostRequest(address="root@described", host_key=a_host_key("root@described")))
    seen = 0
    with served.http as http:
        for endpoint in ENDPOINTS:
            if endpoint.method != "GET" or endpoint.stream is not None:
                continue
            path = (
                endpoint.path.replace("{app}", "described")
                .replace("{environment}", "production")
                .replace("{id}", deployment.id)
                .replace("{name}", "described")
            )
            answer = http.get(path, params={each.name: "main" for each in endpoint.query if each.is_required})
            operation = document["paths"][endpoint.path]["get"]
            schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert fits(answer.json(), schema, document) == [], path
            seen += 1
        problem = http.get("/v1/deployments/none")
        schema = document["paths"]["/v1/deployments/{id}"]["get"]["responses"]["4XX"]["content"]["application/problem+json"]["schema"]
        assert fits(problem.json(), schema, document) == []
    assert seen >= 10


def test_an_order_for_a_plan_is_told_apart_by_its_name(document: dict) -> None:
    content = document["paths"]["/v1/environments/{app}/{environment}/plan"]["post"]["requestBody"]["content"]
    assert set(content["application/json"]["schema"]["discriminator"]["mapping"]) == {"rollback", "scale", "restart", "destroy"}
    assert "application/x-tar" in content


def test_the_document_holds_no_infinity_or_python_words(served: Served) -> None:
    text = served.http.get("/openapi.json").text
    json.loads(text, parse_constant=lambda word: pytest.fail(word))
