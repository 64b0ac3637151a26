"""The commented mooring.toml that `mooring init` writes. Must not: detect anything, or write a file."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from mooring.manifest.keys.table import KEYS
from mooring.manifest.wording import quoted, shown

_SHOWN = ("deploy.bake", "edge.hold")
_HEALTH = "processes.NAME.health.path"


class Detected(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the app: its name, its builder (empty: none fits) with the reason, what would run.

    `commands` by process type; `are_in_procfile`: they stand in a Procfile already. `release_command` may be empty.
    """

    app: str
    builder: str = ""
    reason: str = ""
    commands: Mapping[str, str] = {}
    are_in_procfile: bool = False
    release_command: str = ""


def starter(detected: Detected) -> str:
    """A file that says nothing but the name, and shows how to say the rest. It reads back without a problem."""
    parts = [
        _HEAD,
        f"app = {quoted(detected.app)}",
        *_release(detected),
        _builder(detected),
        _processes(detected),
        _examples(),
        _ENVIRONMENT,
    ]
    return "\n".join(parts)


_HEAD = """\
# What Mooring should know about this app. Every key may be left out; `mooring explain KEY` tells more.
"""

_ENVIRONMENT = """\
# What differs in another environment:
# [environments.staging.processes.web]
# count = 1
"""


def _release(detected: Detected) -> list[str]:
    return [f"# release = {quoted(detected.release_command)}"] if detected.release_command else []


def _builder(detected: Detected) -> str:
    if not detected.builder:
        return '\n# No builder fits what is here. The one that runs the source as it is:\n# [build]\n# builder = "procfile"\n'
    reason = f" ({_one_line(detected.reason)})" if detected.reason else ""
    return f"\n# Found by itself: the builder {detected.builder}{reason}.\n# [build]\n# builder = {quoted(detected.builder)}\n"


def _processes(detected: Detected) -> str:
    if not detected.commands:
        return '# What to run stands here or in a Procfile:\n# [processes.web]\n# command = "gunicorn --bind 0.0.0.0:$PORT app:app"\n'
    source = "the Procfile" if detected.are_in_procfile else "the builder's offer"
    lines = [f"# What runs, from {source}; a command here goes over it."]
    for name, command in detected.commands.items():
        lines += [f"# [processes.{_one_line(name)}]", f"# command = {quoted(command)}", "# count = 1", '# memory = "256MB"']
    if "web" in detected.commands:
        lines += ["", f"# {KEYS[_HEALTH].summary}", *_commented(KEYS[_HEALTH].example)]
    return "\n".join(lines) + "\n"


def _examples() -> str:
    keys = [KEYS[path] for path in _SHOWN]
    return "\n".join(line for key in keys for line in [f"# {key.summary}", *_commented(key.example), ""])


def _commented(example: str) -> list[str]:
    return [f"# {line}" for line in example.splitlines()]


def _one_line(text: str) -> str:
    return shown(text[:200])[1:-1]
