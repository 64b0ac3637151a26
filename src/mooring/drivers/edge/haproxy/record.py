"""Everything that a starting HAProxy reads, kept in step with what the running one has been told. Must not: talk to HAProxy.

These files are derived from the ledger's tables: they outlive HAProxy and the controller, and after a crash of the machine they are made
anew before HAProxy starts. So they are replaced in one step, but not waited for on the disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

import msgspec

from mooring.drivers.edge.files import make_directory, read_whole, write_whole
from mooring.drivers.edge.haproxy.backends import backends_text
from mooring.drivers.edge.haproxy.changes import instance_entries, map_text
from mooring.drivers.edge.haproxy.configuration import configuration
from mooring.drivers.edge.haproxy.pages import page_maps
from mooring.drivers.edge.haproxy.places import Backend, Backends
from mooring.drivers.edge.haproxy.settings import HaproxySettings, Layout


class Places(msgspec.Struct, frozen=True):
    """`reloads` counts how often more backends had to be prepared while HAProxy ran; `reloaded_at`: wall seconds of the last time."""

    backends: Backends = ()
    reloads: int = 0
    reloaded_at: float = 0.0

    def changed(self, backends: Backends, *, at: float | None) -> Places:
        """`at`: when they could only be had by a reload, in wall seconds; None: they could without."""
        if at is None:
            return msgspec.structs.replace(self, backends=backends)
        return Places(backends, self.reloads + 1, at)


_places = msgspec.json.Decoder(Places)


class Record:
    """`layout` is where everything is for HAProxy, `at` where this controller keeps it."""

    def __init__(self, layout: Layout, at: Path) -> None:
        self._layout = layout
        self._at = at
        self._written: dict[Path, bytes] = {}

    def places(self, prepared: int) -> Places:
        """As they were kept, and at least as many as are to be prepared; all free when they cannot be read."""
        try:
            kept = _places.decode(read_whole(self._here(self._layout.places)) or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError):
            kept = Places()
        more = (Backend(),) * max(0, prepared - len(kept.backends))
        return msgspec.structs.replace(kept, backends=kept.backends + more)

    def write_fixed(self, settings: HaproxySettings) -> str:
        """What does not change while HAProxy runs; gives its version."""
        layout = self._layout
        fixed = {
            layout.configuration: configuration(settings, layout, version=""),
            layout.rooms: files(__package__).joinpath("rooms.lua").read_text(),
            **{layout.page(kind): text for kind, text in page_maps().items()},
        }
        make_directory(self._here(layout.page("any")).parent)
        version = hashlib.sha256(msgspec.json.encode(sorted((path.name, text) for path, text in fixed.items()))).hexdigest()[:16]
        fixed[layout.configuration] = configuration(settings, layout, version=version)
        for path, text in fixed.items():
            self._write(path, text)
        return version

    def write_places(self, places: Places) -> None:
        self._write(self._layout.places, msgspec.json.encode(places).decode())
        self._write(self._layout.backends, backends_text(self._layout, places.backends))
        self._write(self._layout.servers, map_text(instance_entries(places.backends)))

    def write_routes(self, entries: Iterable[Mapping[str, str]], wildcards: Mapping[str, str]) -> None:
        self._write(self._layout.routes, "".join(map(map_text, entries)))
        self._write(self._layout.wildcards, map_text(wildcards))

    def write_challenges(self, entries: Mapping[str, str]) -> None:
        self._write(self._layout.challenges, map_text(entries))

    def write_shown(self, text: str) -> None:
        self._write(self._layout.shown, text)

    def _here(self, path: Path) -> Path:
        return self._at / path.relative_to(self._layout.directory)

    def _write(self, path: Path, text: str) -> None:
        content = text.encode()
        if self._written.get(path) != content:
            write_whole(self._here(path), content, is_synced=False)
            self._written[path] = content
