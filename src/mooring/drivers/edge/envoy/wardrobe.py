"""The certificates of the hostnames that are served: found on disk, made anew when due, gone with their environment.

Must not: decide which environment has which hostname.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from mooring.drivers.edge.certificates import Certificate, LocalAuthority, is_local, load_certificate, store_form
from mooring.drivers.edge.envoy.files import make_directory, read_whole, remove, write_whole
from mooring.drivers.edge.envoy.settings import Layout

FALLBACK = "localhost"


class Wardrobe:
    """Local names only; what is not under .localhost has no certificate yet, and is served by HTTP."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._authority = LocalAuthority(layout.authority)
        self._held: dict[str, Certificate] = {}

    @property
    def authority(self) -> LocalAuthority:
        return self._authority

    def prepare(self) -> None:
        make_directory(self._layout.certificates)
        self._authority.prepare(time.time())
        self.ensure((FALLBACK,))

    def ensure(self, hostnames: Iterable[str]) -> bool:
        """Every local name has a certificate that is not due. Whether one was made. Raises Unavailable, StateDamaged."""
        now = time.time()
        due = [name for name in hostnames if is_local(name) and self._is_due(name, now)]
        for name in due:
            certificate = self._authority.sign((name,), now=now)
            write_whole(self._layout.certificate(name), store_form(certificate))
            self._held[name] = certificate
        return bool(due)

    def of(self, hostnames: Iterable[str]) -> list[tuple[str, Certificate]]:
        """Those that are there, by name."""
        return [(name, self._held[name]) for name in sorted(hostnames) if name in self._held]

    def fallback(self) -> Certificate | None:
        return self._held.get(FALLBACK)

    def drop(self, hostnames: Iterable[str]) -> None:
        for name in hostnames:
            if name != FALLBACK:
                remove(self._layout.certificate(name))
                self._held.pop(name, None)

    def _is_due(self, name: str, now: float) -> bool:
        """Also when the file is garbled, or holds another name's certificate."""
        held = self._held.get(name) or load_certificate(read_whole(self._layout.certificate(name)) or b"")
        if held is None or name not in held.hostnames or held.is_due(now):
            return True
        self._held[name] = held
        return False
