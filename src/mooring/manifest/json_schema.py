"""The manifest as JSON Schema (draft 7), for editors: made from the table. Must not: be what the program validates with."""

from __future__ import annotations

from collections.abc import Iterable

from mooring.manifest.keys.table import KEYS, NOT_OF_REVIEW_APPS, OF_ALL_ENVIRONMENTS, TREE, Node
from mooring.manifest.kinds.kind import Schema


def json_schema() -> Schema:
    """What an editor may check and complete in a mooring.toml."""
    properties = {name: _node(child) for name, child in TREE.children.items()}
    properties["review"] = _review(properties)
    below: Schema = {name: {"$ref": f"#/properties/{name}"} for name in properties if name not in OF_ALL_ENVIRONMENTS}
    environment: Schema = {"type": "object", "properties": below, "additionalProperties": False}
    names = {"pattern": r"^(?:[a-z](?:[a-z0-9]|-(?!-)){0,38}[a-z0-9]|[a-z])$"}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "mooring.toml",
        "description": "What Mooring should know about an app. Every key may be left out.",
        "type": "object",
        "properties": properties | {"environments": {"type": "object", "propertyNames": names, "additionalProperties": environment}},
        "additionalProperties": False,
    }


def _review(top: Iterable[str]) -> Schema:
    """Its own keys, and those that it may lay over the others."""
    own: Schema = {name: _node(child) for name, child in TREE.children["review"].children.items()}
    over: Schema = {name: {"$ref": f"#/properties/{name}"} for name in top if name not in (*NOT_OF_REVIEW_APPS, *own)}
    return {"type": "object", "properties": own | over, "additionalProperties": False}


def _node(node: Node) -> Schema:
    if node.key is not None:
        default = KEYS[node.key.path].said_default.replace("`", "")
        description = f"{node.key.summary}. {node.key.text}".strip().replace("`", "") + f"\nDefault: {default}."
        return {"description": description, **node.key.kind.schema()}
    schema: Schema = {"type": "object"}
    if node.children:
        schema["properties"] = {name: _node(child) for name, child in node.children.items()}
    if node.below_name is None or node.name_kind is None:
        return schema | {"additionalProperties": False}
    return schema | {"propertyNames": node.name_kind.schema(), "additionalProperties": _node(node.below_name)}
