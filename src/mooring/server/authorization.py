"""Who may call which route: everything that is not written here does not exist. Must not: look at a request.

`None` is for the few routes that say nothing about anybody's apps; `Signature` for those whose every message proves by itself whose it is.
The application refuses to start when a route is missing from this table, or a line of it has no route.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from mooring.usecases.permission import Permission

Route = tuple[str, str]


class Signature(enum.Enum):
    """Whose message it is: its use case checks that before anything else."""

    FORGE = "forge"  # signed with the secret of an app's hook


Admission = Permission | Signature | None

_ENVIRONMENT = "/v1/environments/{app}/{environment}"
_REVIEWS = "/v1/apps/{app}/reviews"

TABLE: dict[Route, Admission] = {
    ("GET", "/health"): None,
    ("GET", "/openapi.json"): None,
    ("GET", "/metrics"): Permission.SEE,
    ("GET", "/v1/status"): Permission.SEE,
    ("GET", "/v1/environments"): Permission.SEE,
    ("GET", _ENVIRONMENT): Permission.SEE,
    ("DELETE", _ENVIRONMENT): Permission.ADMINISTER,
    ("POST", f"{_ENVIRONMENT}/deployments"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/plan"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/promotion"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/promotion/plan"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/rollback"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/scale"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/restart"): Permission.CHANGE,
    ("GET", _REVIEWS): Permission.SEE,
    ("POST", _REVIEWS): Permission.CHANGE,
    ("DELETE", _REVIEWS): Permission.CHANGE,
    ("GET", f"{_REVIEWS}/login"): Permission.CHANGE,
    ("PUT", f"{_REVIEWS}/expiry"): Permission.CHANGE,
    ("POST", f"{_REVIEWS}/seeding"): Permission.CHANGE,
    ("GET", f"{_REVIEWS}/traces"): Permission.SEE,
    ("GET", f"{_ENVIRONMENT}/releases"): Permission.SEE,
    ("GET", f"{_ENVIRONMENT}/config"): Permission.SEE,
    ("PATCH", f"{_ENVIRONMENT}/config"): Permission.CHANGE,
    ("PUT", f"{_ENVIRONMENT}/secrets/{{name}}"): Permission.CHANGE,
    ("DELETE", f"{_ENVIRONMENT}/secrets/{{name}}"): Permission.CHANGE,
    ("GET", f"{_ENVIRONMENT}/logs"): Permission.SEE,
    ("PUT", f"{_ENVIRONMENT}/maintenance"): Permission.CHANGE,
    ("PUT", f"{_ENVIRONMENT}/lock"): Permission.CHANGE,
    ("DELETE", f"{_ENVIRONMENT}/lock"): Permission.CHANGE,
    ("GET", f"{_ENVIRONMENT}/run"): Permission.CHANGE,
    ("GET", f"{_ENVIRONMENT}/exec"): Permission.CHANGE,
    ("GET", f"{_ENVIRONMENT}/accessories"): Permission.SEE,
    ("POST", f"{_ENVIRONMENT}/accessories/{{name}}"): Permission.CHANGE,
    ("POST", f"{_ENVIRONMENT}/accessories/{{name}}/plan"): Permission.CHANGE,
    ("DELETE", f"{_ENVIRONMENT}/accessories/{{name}}"): Permission.ADMINISTER,
    ("GET", f"{_ENVIRONMENT}/accessories/{{name}}/logs"): Permission.SEE,
    ("GET", f"{_ENVIRONMENT}/copy"): Permission.CHANGE,
    ("GET", "/v1/deployments"): Permission.SEE,
    ("GET", "/v1/deployments/{id}"): Permission.SEE,
    ("POST", "/v1/deployments/{id}/abort"): Permission.CHANGE,
    ("GET", "/v1/deployments/{id}/events"): Permission.SEE,
    ("GET", "/v1/deployments/{id}/journal"): Permission.SEE,
    ("GET", "/v1/events"): Permission.SEE,
    ("GET", "/v1/certificates"): Permission.SEE,
    ("POST", "/v1/certificates"): Permission.ADMINISTER,
    ("POST", "/v1/certificates/{hostname}/renewal"): Permission.CHANGE,
    ("DELETE", "/v1/certificates/{hostname}"): Permission.ADMINISTER,
    ("GET", "/v1/hosts"): Permission.SEE,
    ("POST", "/v1/hosts/plan"): Permission.ADMINISTER,
    ("POST", "/v1/hosts"): Permission.ADMINISTER,
    ("GET", "/v1/hosts/{name}/check"): Permission.SEE,
    ("PUT", "/v1/hosts/{name}/drain"): Permission.ADMINISTER,
    ("DELETE", "/v1/hosts/{name}"): Permission.ADMINISTER,
    ("GET", "/v1/host-key"): Permission.ADMINISTER,
    ("GET", "/v1/forges"): Permission.SEE,
    ("POST", "/v1/forges"): Permission.ADMINISTER,
    ("POST", "/v1/forges/{app}/check"): Permission.CHANGE,
    ("DELETE", "/v1/forges/{app}"): Permission.ADMINISTER,
    ("POST", "/v1/forges/{app}/hook"): Signature.FORGE,
    ("GET", "/v1/push-keys"): Permission.ADMINISTER,
    ("POST", "/v1/push-keys"): Permission.ADMINISTER,
    ("DELETE", "/v1/push-keys/{name}"): Permission.ADMINISTER,
    ("GET", "/v1/registries"): Permission.SEE,
    ("POST", "/v1/registries"): Permission.ADMINISTER,
    ("DELETE", "/v1/registries/{name}"): Permission.ADMINISTER,
    ("GET", "/v1/service-servers"): Permission.SEE,
    ("PUT", "/v1/service-servers/{name}"): Permission.ADMINISTER,
    ("DELETE", "/v1/service-servers/{name}"): Permission.ADMINISTER,
    ("GET", f"{_ENVIRONMENT}/services"): Permission.SEE,
    ("POST", f"{_ENVIRONMENT}/services/{{name}}/rotation"): Permission.CHANGE,
    ("GET", f"{_ENVIRONMENT}/services/{{name}}/dump"): Permission.CHANGE,
    ("PUT", f"{_ENVIRONMENT}/services/{{name}}/dump"): Permission.CHANGE,
    ("DELETE", f"{_ENVIRONMENT}/services/{{name}}"): Permission.ADMINISTER,
    ("GET", "/v1/tokens"): Permission.ADMINISTER,
    ("POST", "/v1/tokens"): Permission.ADMINISTER,
    ("DELETE", "/v1/tokens/{name}"): Permission.ADMINISTER,
    ("POST", "/v1/keys/rotate"): Permission.ADMINISTER,
    ("POST", "/v1/state/backup"): Permission.ADMINISTER,
}


class UnauthorizedRoute(Exception):
    """A defect of the program: found when it starts, never by a caller."""


def check_complete(routes: Iterable[Route], table: dict[Route, Admission] = TABLE) -> None:
    """Raises UnauthorizedRoute when routes and table are not the same set, or a route is registered twice."""
    registered = list(routes)
    missing = sorted(set(registered) - set(table))
    if missing:
        raise UnauthorizedRoute(f"not in the authorization table: {missing}")
    if unused := sorted(set(table) - set(registered)):
        raise UnauthorizedRoute(f"in the authorization table, but no route: {unused}")
    if len(registered) != len(set(registered)):
        raise UnauthorizedRoute("a route is registered twice")
