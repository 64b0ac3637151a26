"""The keys that may push, kept where sshd reads them and nowhere else: in `authorized_keys` of the account that runs the platform.

Each is a line of its own that allows one command and nothing else. Must not: change a line that is not this platform's.
"""

from __future__ import annotations

import itertools
import re
import shlex
import sys
from pathlib import Path

import msgspec

from mooring.errors import InvalidInput, InvalidName, NotFound, Refused, StateDamaged
from mooring.model.names import AppName, app_name
from mooring.model.push_key import PublicKey, PushKey, public_key, push_key_name
from mooring.store.directory import DIRECTORY_MODE, replace
from mooring.store.translation import translated

_LINE = re.compile(r'restrict,command="(?P<command>[^"]*)" (?P<kind>\S+) (?P<blob>\S+) mooring:(?P<name>\S+)')
_VERB = "git-receive"
_UNQUOTABLE = re.compile(r'["\\\x00-\x1f\x7f]')


class _Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key in a backup."""

    name: str
    kind: str
    blob: str
    apps: tuple[str, ...] = ()


_kept = msgspec.json.Decoder(tuple[_Kept, ...])


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`line` is its place in the file."""

    line: int
    blob: str
    key: PushKey


class AuthorizedKeys:
    """`path` may be a link, as some keep it; `state` is the platform that a pushed commit is for."""

    def __init__(self, path: Path, *, state: Path) -> None:
        self._path = path
        self._state = state

    def listed(self) -> tuple[PushKey, ...]:
        """In the file's order."""
        return tuple(entry.key for entry in self._entries(self._lines()))

    def add(self, name: str, key: PublicKey, *, apps: tuple[AppName, ...]) -> PushKey:
        """The same again changes only its apps. Raises InvalidInput where the name or the key is another's."""
        made = PushKey(name=name, kind=key.kind, fingerprint=key.fingerprint, apps=apps)
        line = f'restrict,command="{self._command(made)}" {key.kind} {key.blob} mooring:{name}'
        lines = self._lines()
        entries = self._entries(lines)
        same = next((entry.line for entry in entries if entry.key.name == name and entry.blob == key.blob), None)
        if same is None:
            self._check_new(made, key, lines, entries)
        self._write([*lines, line] if same is None else [*lines[:same], line, *lines[same + 1 :]])
        return made

    def remove(self, name: str) -> PushKey:
        """Raises NotFound."""
        lines = self._lines()
        entry = next((entry for entry in self._entries(lines) if entry.key.name == name), None)
        if entry is None:
            raise NotFound(f"there is no key {name!r}", hint="`mooring key ls` lists them")
        self._write([*lines[: entry.line], *lines[entry.line + 1 :]])
        return entry.key

    def keep(self, path: Path) -> None:
        """All of them into a file for a backup, 0600. Raises Unavailable."""
        entries = self._entries(self._lines())
        found = [_Kept(name=each.key.name, kind=each.key.kind, blob=each.blob, apps=each.key.apps) for each in entries]
        with translated(str(path)):
            replace(path, msgspec.json.encode(found))

    def bring_back(self, path: Path) -> tuple[list[PushKey], list[str]]:
        """Those of such a file that may push from now on, and why others may not. It comes from outside, as a backup does.

        Raises StateDamaged, Unavailable.
        """
        with translated(str(path)):
            text = path.read_bytes()
        try:
            kept = _kept.decode(text)
        except msgspec.DecodeError as error:
            hint = "add the keys with `mooring key add`"
            raise StateDamaged(f"the push keys of the backup cannot be read: {error}", hint=hint, where=str(path)) from error
        added, refused = [], []
        for each in kept:
            try:
                name, key = push_key_name(each.name), public_key(f"{each.kind} {each.blob}")
                added.append(self.add(name, key, apps=tuple(app_name(app) for app in each.apps)))
            except (InvalidInput, InvalidName) as error:
                refused.append(str(error))
        return added, refused

    def _check_new(self, made: PushKey, key: PublicKey, lines: list[str], entries: list[_Entry]) -> None:
        """sshd takes the first line that has the key: a second one would never be read."""
        if any(entry.key.name == made.name for entry in entries):
            raise InvalidInput(f"there is another key {made.name!r}", hint=f"choose another name, or `mooring key rm {made.name}` first")
        for number, line in enumerate(lines):
            if key.blob in line.split():
                known = next(
                    (f"here as {entry.key.name!r}" for entry in entries if entry.line == number), "to this account without Mooring"
                )
                hint = f"use another key for pushing (ssh-keygen), or take line {number + 1} of {self._path} away"
                raise InvalidInput(f"this key is known {known}", hint=hint, where=str(self._path))

    def _entries(self, lines: list[str]) -> list[_Entry]:
        found = ((number, _LINE.fullmatch(line)) for number, line in enumerate(lines))
        entries = (self._entry(number, match) for number, match in found if match)
        return [entry for entry in entries if entry is not None]

    def _entry(self, number: int, match: re.Match[str]) -> _Entry | None:
        """None where the line is another platform's."""
        words = shlex.split(match["command"])
        if _VERB not in words or _after("--state", words) != [str(self._state)]:
            return None
        apps = tuple(app_name(word) for word in _after("--only", words))
        public = PublicKey(kind=match["kind"], blob=match["blob"])
        key = PushKey(name=match["name"], kind=public.kind, fingerprint=public.fingerprint, apps=apps)
        return _Entry(line=number, blob=public.blob, key=key)

    def _command(self, key: PushKey) -> str:
        """What sshd has the login shell run. Every word of it is checked or quoted; none can end the quotes around the whole."""
        only = [word for app in key.apps for word in ("--only", app)]
        words = [sys.executable, "-P", "-m", "mooring.cli", _VERB, "--key", key.name, "--state", str(self._state), *only]
        if any(_UNQUOTABLE.search(word) for word in words):
            raise Refused(f"the path {str(self._state)!r} cannot stand in authorized_keys", hint="use a state directory with a plain name")
        return shlex.join(words)

    def _lines(self) -> list[str]:
        with translated(str(self._path)):
            try:
                return self._path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            except FileNotFoundError:
                return []

    def _write(self, lines: list[str]) -> None:
        with translated(str(self._path)):
            place = self._path.resolve()
            place.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            replace(place, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def _after(option: str, words: list[str]) -> list[str]:
    """The words that follow this option."""
    return [value for name, value in itertools.pairwise(words) if name == option]
