"""Values as JSON documents: ASCII only, so that no value can steer a terminal. Must not: encode a secret."""

from __future__ import annotations

import json

import msgspec

from mooring.errors import ManifestInvalid, MooringError


def document(value: object) -> str:
    """One indented JSON document with its line end."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True), indent=2) + "\n"


def json_line(value: object) -> str:
    """One line of a stream of documents."""
    return json.dumps(msgspec.to_builtins(value, str_keys=True)) + "\n"


def error_document(error: MooringError) -> dict[str, object]:
    """`{"error": {code, message, hint, where, exit_code}}`, and `problems` where there are several."""
    told: dict[str, object] = {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "where": error.where,
        "exit_code": error.exit_code,
    }
    if isinstance(error, ManifestInvalid):
        told["problems"] = error.problems
    return {"error": told}
