"""Making this machine trust the platform's own certificate authority, which may sign names under .localhost only.

Must not: install anything that was not shown before, or go through a shell.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.client.location import state_directory
from mooring.errors import NotFound, Refused, Unavailable

CERTIFICATE = "authority.crt"
_KEYCHAIN = "/Library/Keychains/System.keychain"
_DEBIAN = "/usr/local/share/ca-certificates/mooring-local.crt"


class Act(NamedTuple):
    """A command as an argument list, and what it is for."""

    words: tuple[str, ...]
    meaning: str
    needs_root: bool


class Acts(NamedTuple):
    certificate: Path
    acts: tuple[Act, ...]


def how_to_trust(variables: Mapping[str, str], *, platform: str = sys.platform) -> Acts:
    """What would be done here. Raises NotFound when there is no authority yet."""
    certificate = _certificate(state_directory(variables))
    home = Path(variables.get("HOME") or Path.home())
    return Acts(certificate, (*_system(certificate, platform=platform), *_browsers(certificate, home=home)))


def trust_lines(acts: Acts, *, width: int | None) -> list[Line]:
    """Everything that would be run, before it is."""
    said = "This lets programs on this machine trust the platform's own certificates. They can be made for names under .localhost only."
    rows = hanging((), said, width=width)
    for act in acts.acts:
        rows += hanging(line(Span("  $ ", Style.DIM)), " ".join(act.words), width=width, style=Style.ACCENT)
        rows += hanging(line("    "), act.meaning, width=width, style=Style.DIM)
    return rows


def install(acts: Acts, *, is_root: bool | None = None) -> None:
    """Run what was shown. Raises Refused before the first act when root is needed and we are not, Unavailable when one fails."""
    is_root = os.geteuid() == 0 if is_root is None else is_root
    if not is_root and any(act.needs_root for act in acts.acts):
        with_sudo = " && ".join(f"sudo {' '.join(act.words)}" for act in acts.acts if act.needs_root)
        raise Refused("only root may change what this machine trusts", hint=f"run it yourself: {with_sudo}")
    for act in acts.acts:
        _run(act.words)


def _run(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 (an argument list that was shown)
    except OSError as error:
        raise Unavailable(f"{words[0]} could not be run: {error.strerror}", hint="install it, or import the certificate by hand") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Unavailable(f"{words[0]} ended with exit code {done.returncode}: {said}", hint="import the certificate by hand")


def _certificate(state: Path) -> Path:
    found = next((path for pattern in (f"*/{CERTIFICATE}", f"*/*/{CERTIFICATE}") for path in sorted(state.glob(pattern))), None)
    if found is None:
        raise NotFound(f"there is no certificate authority in {state}", hint="`mooring up` makes it when HTTPS is open; then try again")
    return found


def _system(certificate: Path, *, platform: str) -> tuple[Act, ...]:
    if platform == "darwin":
        words = ("security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", _KEYCHAIN, str(certificate))
        return (Act(words, "the system's keychain", True),)
    copy = Act(("install", "-m", "0644", str(certificate), _DEBIAN), "among the system's own certificates", True)
    return (copy, Act(("update-ca-certificates",), "for curl, git and most programs", True))


def _browsers(certificate: Path, *, home: Path) -> tuple[Act, ...]:
    """Chromium and its kin read a database of the user's own; it is touched only where it exists already."""
    database = home / ".pki" / "nssdb"
    if not database.is_dir() or shutil.which("certutil") is None:
        return ()
    words = ("certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "Mooring local authority", "-i", str(certificate))
    return (Act(words, "for Chromium", False),)
