"""Whatever is sent to an operation, valid by the OpenAPI document or not: made by schemathesis, over a real socket.

Each answer has the status, type and shape that the document says; what the document forbids is refused, and what it allows is not
called malformed. Answers without end are read in test_streams and test_run.
"""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.specs.openapi import checks
from server.serving import Served

from mooring.model.access import Role
from mooring.model.environment import EnvironmentId
from mooring.server.authorization import TABLE
from mooring.server.endpoints import ENDPOINTS

pytestmark = pytest.mark.timeout(1200)  # a thousand examples each, with --long
SHOP = EnvironmentId.parse("shop")
CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
CANNOT_BE_WRONG = [route for route in TABLE if "{" not in route[1] and route[1] not in ("/v1/events", "/v1/deployments")]
RULES_BEYOND_A_SCHEMA = {
    ("POST", "/v1/certificates"): "key, chain and names must fit together",
    ("POST", "/v1/hosts"): "an address and a key have forms of their own",
    ("POST", "/v1/hosts/plan"): "an address and a key have forms of their own",
    ("POST", "/v1/forges"): "addresses and repositories have forms of their own",
    ("POST", "/v1/push-keys"): "a public key is one, and new",
    ("POST", "/v1/registries"): "names of registries and repositories have forms of their own",
    ("GET", "/v1/deployments"): "no environment without its app",
    ("GET", "/v1/events"): "no environment without its app; a negative `after` has its own meaning",
    ("GET", "/v1/environments/{app}/{environment}/run"): "a WebSocket",
    ("GET", "/v1/environments/{app}/{environment}/exec"): "a WebSocket",
    ("GET", "/v1/environments/{app}/{environment}/copy"): "a WebSocket",
    ("DELETE", "/v1/environments/{app}/{environment}"): "the name is typed out",
    ("PUT", "/v1/environments/{app}/{environment}/lock"): "a reason is one printable line",
    ("PATCH", "/v1/environments/{app}/{environment}/config"): "something is named, and nothing both set and unset",
    ("POST", "/v1/environments/{app}/{environment}/deployments"): "the body is a tar",
    ("POST", "/v1/environments/{app}/{environment}/plan"): "the body is a tar",
    ("POST", "/v1/environments/{app}/{environment}/promotion"): "the body is a tar; notes have a form of their own",
    ("POST", "/v1/environments/{app}/{environment}/promotion/plan"): "the body is a tar; notes have a form of their own",
    ("POST", "/v1/apps/{app}/reviews"): "the body is a tar; a branch is one that git allows",
    ("DELETE", "/v1/apps/{app}/reviews"): "a branch is one that git allows",
    ("GET", "/v1/apps/{app}/reviews/login"): "a branch is one that git allows",
    ("PUT", "/v1/apps/{app}/reviews/expiry"): "a branch is one that git allows",
    ("POST", "/v1/apps/{app}/reviews/seeding"): "a branch is one that git allows",
    ("GET", "/v1/apps/{app}/reviews/traces"): "a branch is one that git allows",
    ("PUT", "/v1/environments/{app}/{environment}/secrets/{name}"): "bytes that a process can be given",
    ("POST", "/v1/environments/{app}/{environment}/scale"): "a whole number is written without a point",
    ("POST", "/v1/environments/{app}/{environment}/rollback"): "a whole number is written without a point",
    ("PUT", "/v1/service-servers/{name}"): "the body is the address of a server of that type",
    ("PUT", "/v1/environments/{app}/{environment}/services/{name}/dump"): "a dump is not empty",
    ("DELETE", "/v1/environments/{app}/{environment}/services/{name}"): "the name is typed out",
    ("POST", "/v1/state/backup"): "a passphrase is text of some length",
    ("POST", "/v1/tokens"): "a name that no valid token has",
}
EXAMPLES = settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
MANY_EXAMPLES = settings(EXAMPLES, max_examples=1000, derandomize=False)


@schemathesis.serializer("application/x-tar", "application/gzip")
def as_it_is(_: object, value: Any) -> bytes:
    return value if isinstance(value, bytes) else bytes(str(value), "utf-8")


@pytest.fixture(scope="module")
def schema(served: Served) -> BaseSchema:
    """Without the token, which each request here is given."""
    document = served.http.get("/openapi.json").json()
    for operations in document["paths"].values():
        for operation in operations.values():
            del operation["security"]
    return schemathesis.openapi.from_dict(document)


@pytest.fixture(scope="module")
def token(served: Served) -> str:
    return served.token(Role.ADMIN, "any-request")


@pytest.fixture(scope="module")
def existing(served: Served) -> dict[str, str]:
    """What a path can name that there is."""
    deployment = served.deploy(SHOP)
    return {"app": SHOP.app, "environment": SHOP.environment, "id": deployment.id}


def asked(served: Served, token: str, case: Case) -> Any:
    case.query.pop("follow", None)
    return case.call(base_url=f"http://127.0.0.1:{served.port}", headers={"Authorization": f"Bearer {token}"}, timeout=20)


def route_name(endpoint: Any) -> str:
    return f"{endpoint.method} {endpoint.path}"


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=route_name)
def test_what_the_document_allows_is_answered_as_it_says(
    served: Served, schema: BaseSchema, token: str, existing: dict[str, str], endpoint: Any, is_long: bool
) -> None:
    @(MANY_EXAMPLES if is_long else EXAMPLES)
    @given(schema[endpoint.path][endpoint.method].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def each(case: Case) -> None:
        answer = asked(served, token, case)
        case.validate_response(answer, checks=CHECKS)
        assert answer.status_code not in (400, 405, 415) or endpoint.route in RULES_BEYOND_A_SCHEMA, answer.content
        for name in case.path_parameters.keys() & existing.keys() if endpoint.method == "GET" else ():
            case.path_parameters[name] = existing[name]
        case.validate_response(asked(served, token, case), checks=CHECKS)

    each()


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.route not in CANNOT_BE_WRONG or each.body_type], ids=route_name)
def test_what_the_document_forbids_is_refused(served: Served, schema: BaseSchema, token: str, endpoint: Any, is_long: bool) -> None:
    @(MANY_EXAMPLES if is_long else EXAMPLES)
    @given(schema[endpoint.path][endpoint.method].as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def each(case: Case) -> None:
        case.validate_response(asked(served, token, case), checks=[*CHECKS, checks.negative_data_rejection])

    each()
