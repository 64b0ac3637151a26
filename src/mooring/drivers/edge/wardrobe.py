"""The certificates of the hostnames that are served: found on disk, made anew when due, gone with their environment.

Must not: decide which environment has which hostname.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from mooring.drivers.edge.certificates import LocalAuthority, is_due, is_local
from mooring.drivers.edge.files import make_directory, read_whole, remove, write_whole
from mooring.drivers.edge.layout import EdgeLayout
from mooring.drivers.pem import read_certificate, to_pem
from mooring.model.certificate import Certificate

FALLBACK = "localhost"


class Wardrobe:
    """Names under .localhost get theirs made here; for others it holds what it is given. A name without one is served by HTTP alone."""

    def __init__(self, layout: EdgeLayout) -> None:
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

    def load(self, hostnames: Iterable[str]) -> None:
        """What an earlier controller was given for these names. Raises Unavailable."""
        for name in hostnames:
            held = None if is_local(name) else read_certificate(read_whole(self._layout.certificate(name)) or b"")
            if held is not None and held.covers(name):
                self._held[name] = held

    def ensure(self, hostnames: Iterable[str]) -> bool:
        """Every local name has a certificate that is not due. Whether one was made. Raises Unavailable, StateDamaged."""
        now = time.time()
        due = [name for name in hostnames if is_local(name) and self._is_due(name, now)]
        for name in due:
            certificate = self._authority.sign((name,), now=now)
            write_whole(self._layout.certificate(name), to_pem(certificate))
            self._held[name] = certificate
        return bool(due)

    def of(self, hostnames: Iterable[str]) -> list[tuple[str, Certificate]]:
        """Those that are there, by name."""
        return [(name, self._held[name]) for name in sorted(hostnames) if name in self._held]

    def foreign(self) -> dict[str, Certificate]:
        """Those that were given."""
        return {name: held for name, held in self._held.items() if not is_local(name)}

    def put(self, hostname: str, certificate: Certificate | None) -> None:
        """None: it has none any more. Raises Unavailable; then nothing has changed."""
        if certificate is None:
            self.drop((hostname,))
        else:
            write_whole(self._layout.certificate(hostname), to_pem(certificate))
            self._held[hostname] = certificate

    def fallback(self) -> Certificate | None:
        return self._held.get(FALLBACK)

    def drop(self, hostnames: Iterable[str]) -> None:
        for name in hostnames:
            if name != FALLBACK:
                remove(self._layout.certificate(name))
                self._held.pop(name, None)

    def _is_due(self, name: str, now: float) -> bool:
        """Also when the file is garbled, or holds another name's certificate."""
        held = self._held.get(name) or read_certificate(read_whole(self._layout.certificate(name)) or b"")
        if held is None or name not in held.hostnames or is_due(held, now):
            return True
        self._held[name] = held
        return False
