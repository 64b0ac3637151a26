"""The page of `mooring --help`, made from the catalogue alone, so that it costs no imports. Must not: know options of commands."""

from __future__ import annotations

from mooring.cli.catalogue import SECTIONS

USAGE = "Usage: mooring COMMAND [OPTIONS] [ARGUMENTS]"
PURPOSE = """\
Deploys your apps on your own servers: every deploy is proven, with zero failed
requests."""
CLOSING = """\
`mooring COMMAND --help` shows options and examples. Every command takes --json;
commands about an app take -a/--app and -e/--env (otherwise: mooring.toml or the
directory's name, and production). --debug before the command shows the details
of unexpected errors.

Exit codes: 0 serving, 1 failed and the old release still serves, 2 usage,
3 lease held, 4 needs a person, 130 Ctrl-C.
"""


def root_help() -> str:
    """All commands by section, with what each does."""
    parts = [USAGE, "", PURPOSE, ""]
    for section in SECTIONS:
        parts += [f"{section.title}:", *(f"  {command.path:<14}  {command.summary}" for command in section.commands), ""]
    return "\n".join(parts) + "\n" + CLOSING
