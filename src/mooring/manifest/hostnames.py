"""Under which names an environment answers. Must not: resolve one."""

from __future__ import annotations

from mooring.errors import InvalidName
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.environment import EnvironmentId
from mooring.model.names import Hostname, hostname
from mooring.model.review import review_hostname


def hostnames_of(layers: Layers, environment: EnvironmentId, *, is_review: bool, problems: Problems) -> tuple[Hostname, ...]:
    """As said, else one below localhost; a problem when that one would not fit DNS."""
    said = layers.value("hostnames")
    if isinstance(said, tuple):
        return said
    if is_review:
        return (review_hostname(layers.text("review.hostname"), environment),)
    default = f"{environment.label}.localhost"
    try:
        return (hostname(default),)
    except InvalidName:
        length = len(environment.label)
        message = f"the default hostname {default} does not fit: its first part has {length} characters, and DNS allows 63"
        hint = f'set hostnames below [environments.{environment.environment}], like hostnames = ["{environment.environment}.localhost"]'
        problems.add("mooring.toml", 0, key="hostnames", message=message, hint=hint)
        return ()


def host_to_ask(hostnames: tuple[Hostname, ...]) -> str:
    """The Host header for health checks: empty means the first name; a wildcard is no name, so one below it is taken."""
    if not hostnames or not hostnames[0].startswith("*."):
        return ""
    return next((name for name in hostnames if not name.startswith("*.")), "www" + hostnames[0][1:])
