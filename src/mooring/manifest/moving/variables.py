"""Variables of an app as every dialect has them: plain ones become `[env]`, what looks like a secret a command to type.

Must not: show the value of what looks like a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mooring.manifest.keys.names import VARIABLE_NAME
from mooring.manifest.kinds.kind import Mismatch
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.secrecy import is_secret
from mooring.manifest.moving.translation import Outcome, Told
from mooring.manifest.validation import RESERVED_VARIABLE
from mooring.manifest.wording import shown

_ADDRESS = r"(?:\A|@|//|,){name}(?::\d|/|,|\Z)"
_OWN_PORT = Told(Outcome.NEEDLESS, "each instance gets a port of its own in PORT", "let the app listen on $PORT")
_SECRET = Told(Outcome.NOT_MAPPED, "it looks like a secret, and mooring.toml is part of the source", "set it once; it is kept encrypted")
_SECRET_BY_NAME = Told(Outcome.NOT_MAPPED, "its value is a secret, and is kept elsewhere", "set it once; it is kept encrypted")
_NO_VALUE = Told(Outcome.NOT_MAPPED, "its value stands elsewhere, not in this file", "set it once")


def add_variable(ledger: Ledger, node: Node, name: str, value: str | None, *, note: str = "", neighbours: Sequence[str] = ()) -> None:
    """`value` None: it is taken from somewhere else. `note`: what is to be known of a value that is written.

    `neighbours`: names under which other programs are reached there, and are not here.
    """
    if name == RESERVED_VARIABLE:
        ledger.tells(node, _OWN_PORT)
    elif not _is_name(ledger, node, name):
        return
    elif is_secret(name, value or ""):
        add_secret(ledger, node, name, is_known=value is not None)
    elif value is None:
        ledger.tells(node, _NO_VALUE, commands=[f"mooring config set {name}=VALUE"])
    else:
        named = next((each for each in neighbours if re.search(_ADDRESS.format(name=re.escape(each)), value)), "")
        elsewhere = f"{named} is no name here: write the address at which it answers" if named else ""
        ledger.maps(node, f"env.{name}", value, note="; ".join(part for part in (note, elsewhere) if part))


def add_secret(ledger: Ledger, node: Node, name: str, *, is_known: bool = False) -> None:
    """A name whose value is a secret. `is_known`: the value stands in the source, in plain."""
    if _is_name(ledger, node, name):
        ledger.tells(node, _SECRET if is_known else _SECRET_BY_NAME, commands=[f"mooring secret set {name}"])


def add_build_variable(ledger: Ledger, node: Node, name: str, value: str | None) -> None:
    """A variable of the build: never a secret."""
    if not _is_name(ledger, node, name):
        return
    if is_secret(name, value or ""):
        why = "it looks like a secret, and a variable of the build can end up in what it makes"
        instead = f'let the step that needs it mount it (RUN --mount=type=secret,id={name}), with [build] secrets = ["{name}"]'
        ledger.tells(node, Told(Outcome.NOT_MAPPED, why, instead), commands=[f"mooring secret set {name}"])
    elif value is None:
        why = "its value stands elsewhere, not in this file"
        ledger.tells(node, Told(Outcome.NOT_MAPPED, why, f"write {name} below [build.variables]"))
    else:
        ledger.maps(node, f"build.variables.{name}", value)


def _is_name(ledger: Ledger, node: Node, name: str) -> bool:
    try:
        VARIABLE_NAME.read(name)
    except Mismatch as mismatch:
        ledger.tells(node, Told(Outcome.NOT_MAPPED, f"{shown(name)} is no name of a variable; {mismatch.rule}", mismatch.hint))
        return False
    return True
