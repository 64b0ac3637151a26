"""An authority in memory: it looks for the answer where a real one would, decides after a while, and fails when it is told to.

Must not: be trusted by anybody, or read another clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable

from mooring.drivers.issuer.contract import Answering, Challenge, Issuer, NotIssued, kind_for
from mooring.drivers.pem import new_key, read_certificate, request_for
from mooring.engine.contract import Clock
from mooring.model.certificate import Certificate
from mooring.model.names import Hostname
from mooring.testing.authority import DAY, PaperAuthority

Look = Callable[[Challenge], Awaitable[str]]


class FakeIssuer:
    """`look` is how the authority reads a challenge's place. `refusals` are raised one after another instead of issuing.

    `life` is how long what it issues lives, `latency` how long it takes to decide; both seconds. `issued` counts by hostname.
    """

    def __init__(self, clock: Clock, look: Look, *, life: float = 90 * DAY, latency: float = 1.0) -> None:
        self.authority = PaperAuthority()
        self.life = life
        self.latency = latency
        self.refusals: list[Exception] = []
        self.asked: list[tuple[float, Hostname]] = []
        self.issued: Counter[Hostname] = Counter()
        self._clock = clock
        self._look = look

    async def issue(self, hostname: Hostname, answering: Answering) -> Certificate:
        self.asked.append((self._clock.wall(), hostname))
        if self.refusals:
            raise self.refusals.pop(0)
        content = f"token-{len(self.asked)}.thumbprint"
        challenge = Challenge(hostname=hostname, kind=kind_for(hostname), place=f"token-{len(self.asked)}", content=content)
        try:
            await answering.present(challenge)
            await self._clock.sleep(self.latency)
            found = await self._look(challenge)
        finally:
            await answering.withdraw(challenge)
        if found != content:
            raise NotIssued(f"unauthorized: the authority found {found[:40]!r}")
        self.issued[hostname] += 1
        return self._made(hostname)

    def _made(self, hostname: Hostname) -> Certificate:
        key, now = new_key(), self._clock.wall()
        chain = self.authority.sign(request_for(hostname, key), starts_at=now, expires_at=now + self.life)
        certificate = read_certificate((chain + key.reveal()).encode())
        assert certificate is not None
        return certificate


_: type[Issuer] = FakeIssuer
