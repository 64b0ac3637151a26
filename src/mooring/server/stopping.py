"""`mooring down`: everything ends, in the order that loses least; and `state restore`, which needs it to be so.

Must not: forget anything; `mooring up` brings every app back.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from mooring.client.passphrase import read_passphrase
from mooring.errors import NotFound, OutcomeUnknown, Refused, StateDamaged, Unavailable
from mooring.server import settings as kept
from mooring.server.installation import Installation
from mooring.server.machinery import Machinery
from mooring.server.telling import Teller
from mooring.server.turns import one_at_a_time
from mooring.store.authorized_keys import AuthorizedKeys
from mooring.store.directory import DATABASE, KEY, PUSH_KEYS
from mooring.store.restore import restore

_SUPPLIES = ("workshop", "processes", "edge", "certificates")  # not in a backup, or not in every one, and still good


def down(installation: Installation, teller: Teller) -> None:
    """Raises OutcomeUnknown when something does not end."""
    if not installation.state.is_dir():
        teller.summary(installation, kept.Settings(), is_up=False, changed=False)
        return
    with one_at_a_time(installation.state):
        asyncio.run(_down(installation, teller))


async def _down(installation: Installation, teller: Teller) -> None:
    machinery = Machinery(installation)
    settings = kept.load(installation.state)
    if not any(part.is_up for part in machinery.parts()) and not any_alive(machinery):
        teller.summary(installation, settings, is_up=False, changed=False)
        return
    await machinery.stop_controller()
    teller.progress("the controller decides nothing any more")
    count = await machinery.stop_apps()
    teller.progress(f"{count} instance{'' if count == 1 else 's'} stopped")
    await machinery.shut_down()
    await _await_silence(machinery)
    teller.progress("edge and supervisor are stopped")
    teller.summary(installation, settings, is_up=False, changed=True)


def any_alive(machinery: Machinery) -> bool:
    """A program lives, supervised or not."""
    return any(view.pid for view in machinery.supervisor.programs())


async def _await_silence(machinery: Machinery) -> None:
    deadline = time.monotonic() + 10
    while any_alive(machinery):
        if time.monotonic() > deadline:
            names = ", ".join(view.name for view in machinery.supervisor.programs() if view.pid)
            raise OutcomeUnknown(f"still running: {names}", hint="`mooring down` once more; see their logs")
        await asyncio.sleep(0.05)


def bring_back(
    installation: Installation, backup: Path, teller: Teller, *, passphrase_file: Path | None = None, key_file: Path | None = None
) -> None:
    """The state as it was when the backup was made; the present one is kept beside. Raises Refused while the platform runs.

    Without a passphrase the key is `key_file`, or the one that lies in the state directory.
    """
    if not backup.is_file():
        raise NotFound(f"there is no file {backup}", hint="`mooring state backup FILE` writes one")
    machinery = Machinery(installation)
    if any(part.is_up for part in machinery.parts()) or any_alive(machinery):
        raise Refused("the platform is running", hint="`mooring down` first; then restore, then `mooring up`")
    is_there = (installation.state / DATABASE).exists() or _holds_anything(installation.state)
    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    present = installation.state / KEY
    key = key_file or (present if present.exists() and passphrase is None else None)
    restored = restore(backup, installation.state, at=time.time(), passphrase=passphrase, key_file=key, replaces=is_there)
    teller.progress(f"the state is that of Mooring {restored.made_by}, {_ago(restored.made_at)} old")
    if restored.previous is not None:
        _take_over(restored.previous, installation.state)
        teller.progress(f"the state before it is kept in {restored.previous}")
    _let_in_again(installation, teller)
    teller.summary(installation, kept.load(installation.state), is_up=False, changed=True)


def _let_in_again(installation: Installation, teller: Teller) -> None:
    """The keys that might push when the backup was made; whoever was let in since stays."""
    file = installation.state / PUSH_KEYS
    if not file.exists():
        return
    try:
        added, refused = AuthorizedKeys(installation.authorized_keys, state=installation.state).bring_back(file)
    except (StateDamaged, Unavailable, Refused) as error:
        added, refused = [], [str(error)]
    file.unlink()
    for key in added:
        teller.progress(f"the key {key.name} ({key.fingerprint}) may push again")
    for reason in refused:
        teller.progress(f"a key may not push: {reason}")


def _take_over(previous: Path, state: Path) -> None:
    """What a backup leaves out, because it can be made anew, need not be."""
    for name in _SUPPLIES:
        if (previous / name).exists() and not (state / name).exists():
            (previous / name).rename(state / name)


def _holds_anything(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def _ago(at: float) -> str:
    seconds = max(time.time() - at, 0.0)
    return f"{seconds / 86_400:.0f} days" if seconds > 2 * 86_400 else f"{seconds / 3600:.1f} hours"
