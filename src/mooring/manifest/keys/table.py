"""The whole table, and the tree that a document is walked along. Must not: hold a row itself."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from mooring.manifest.keys.accessories import ACCESSORIES
from mooring.manifest.keys.app import ENV, SECRETS, TOP
from mooring.manifest.keys.assets import ASSETS
from mooring.manifest.keys.build import BUILD
from mooring.manifest.keys.deploy import DEPLOY
from mooring.manifest.keys.edge import EDGE
from mooring.manifest.keys.health import CHECK, CHECKS, HEALTH
from mooring.manifest.keys.https import HTTPS
from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import ACCESSORY_NAME, ENVIRONMENT_NAME, PROCESS_NAME, REGION_NAME, SERVICE_NAME, VARIABLE_NAME
from mooring.manifest.keys.processes import PROCESSES
from mooring.manifest.keys.regions import REGIONS
from mooring.manifest.keys.review import REVIEW
from mooring.manifest.keys.services import SERVICES
from mooring.manifest.kinds.texts import Name

SECTIONS = (TOP, BUILD, ENV, SECRETS, PROCESSES, SERVICES, ASSETS, REGIONS, ACCESSORIES, HEALTH, CHECK, DEPLOY, EDGE, HTTPS, REVIEW)
KEYS: dict[str, Key] = {key.path: key for section in SECTIONS for key in section.keys}
ENVIRONMENTS = Section(
    path="environments.NAME",
    noun="an environment",
    summary="what differs in one environment, such as `staging`",
    text="Every other key but `app` and `[review]` may stand below it, and goes over what stands at the top: "
    "`[environments.staging.processes.web]` is `[processes.web]` for staging alone.",
    keys=(),
)
OF_ALL_ENVIRONMENTS = ("app", "review")
NOT_OF_REVIEW_APPS = ("app", "branch", "hostnames", "review")
"""What cannot be said below `[review]` as it can at the top: there it would be the same for all of them."""
PLACEHOLDERS: dict[str, Name] = {
    "processes": PROCESS_NAME,
    "env": VARIABLE_NAME,
    "variables": VARIABLE_NAME,
    "environments": ENVIRONMENT_NAME,
    "regions": REGION_NAME,
    "accessories": ACCESSORY_NAME,
    "services": SERVICE_NAME,
    "count": PROCESS_NAME,
}

OTHER_WORDS = {
    "name": "app",
    "domain": "hostnames",
    "domains": "hostnames",
    "release_command": "release",
    "vars": "env",
    "variables": "env",
    "tasks": "processes",
    "databases": "services",
    "addons": "services",
    "cmd": "command",
    "run": "command",
    "start": "command",
    "replicas": "count",
    "instances": "count",
    "scale": "count",
    "quantity": "count",
    "healthcheck": "health",
    "health_check": "health",
    "python": "python_version",
}  # what other platforms call it


class Node(msgspec.Struct, kw_only=True):
    """A place in the tree: a table with known children, or any names of a kind, or (with `key`) a value."""

    path: str
    noun: str = "a table of keys"
    children: dict[str, Node] = {}
    name_kind: Name | None = None
    below_name: Node | None = None
    key: Key | None = None


def names_of(path: str) -> list[str]:
    """What may stand for the segment after `path`, where it is a placeholder with a fixed list."""
    return list(CHECKS) if path.endswith(".CHECK") else []


def _grow(node: Node, parts: list[str], *, key: Key) -> None:
    if not parts:
        node.key = key
        return
    part, rest = parts[0], parts[1:]
    path = f"{node.path}.{part}".lstrip(".")
    if part == "CHECK":
        for check in CHECKS:
            _grow(node.children.setdefault(check, Node(path=path, noun=CHECK.noun)), rest, key=key)
    elif part.isupper():
        node.name_kind = PLACEHOLDERS[node.path.rpartition(".")[2]]
        node.below_name = node.below_name or Node(path=path, noun=_noun(path))
        _grow(node.below_name, rest, key=key)
    else:
        _grow(node.children.setdefault(part, Node(path=path, noun=_noun(path))), rest, key=key)


def _noun(path: str) -> str:
    return next((section.noun for section in SECTIONS if section.path == path), "it")


def grown(keys: Iterable[Key]) -> Node:
    """The tree of these keys."""
    root = Node(path="", noun=TOP.noun)
    for key in keys:
        _grow(root, key.path.split("."), key=key)
    return root


TREE = grown(KEYS.values())


def pattern_of(key: str) -> str | None:
    """The path in the table of a written key: `processes.web.count` is `processes.NAME.count`; None when there is no such key."""
    node, parts = TREE, [part for part in key.split(".") if part]
    if parts[:1] == ["environments"]:
        parts = parts[2:]
    elif parts[:1] == [REVIEW.path] and len(parts) > 1 and parts[1] not in TREE.children[REVIEW.path].children:
        parts = parts[1:]
    for part in parts:
        following = node.children.get(part) or node.below_name or (node.children.get("startup") if part == "CHECK" else None)
        if following is None:
            return None
        node = following
    return node.path
