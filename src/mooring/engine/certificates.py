"""Keeps every public hostname's certificate fresh, and the edge showing the best that there is. Must not: decide when to order.

What is shown is never taken away by an order that fails: a new certificate is stored, then shown in the place of the old one. An order's
attempt is on disk before the authority hears of it, so that no crash and no restart makes the platform ask more often than agreed.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable

import msgspec

from mooring.drivers.edge.contract import SecureEdge
from mooring.drivers.issuer.contract import Answering, Issuer, NotIssued
from mooring.engine.bell import Bell
from mooring.engine.challenges import Challenges
from mooring.engine.contract import CertificateMemory, Clock
from mooring.errors import DriverError, InvalidInput, MooringError, NotFound
from mooring.model.certificate import Attempt, AttemptOutcome, Certificate, CertificateSource, CertificateView
from mooring.model.names import Hostname
from mooring.model.routing import RouteTable
from mooring.planner.certificates import CertificateOrder, CertificatePlan, Held, Terms, best, failures, hindrance, is_public, plan

_LOOK_EVERY = 30.0  # seconds between two looks though nothing has changed
_PAUSE = 10.0  # seconds after a look that did not succeed
_NO_ACCOUNT = "there is no ACME account: `mooring up --acme-email ADDRESS` makes one"


class CertificateKeeper:
    """One per controller. `issuer` None: nothing is ordered. `tell` takes a sentence for the platform's events.

    `glance_every` seconds it is looked, in memory, whether anything is routed that was not.
    """

    def __init__(
        self,
        *,
        memory: CertificateMemory,
        edge: SecureEdge,
        issuer: Issuer | None,
        dns: Answering | None,
        clock: Clock,
        tell: Callable[[str], None],
        terms: Terms = Terms(),  # noqa: B008 - frozen
        glance_every: float = 1.0,
    ) -> None:
        self._memory = memory
        self._edge = edge
        self._issuer = issuer
        self._has_hook = dns is not None
        self._challenges = Challenges(edge, dns)
        self._clock = clock
        self._tell = tell
        self._terms = terms
        self._glance_every = glance_every
        self._bell = Bell(clock)
        self._own: dict[Hostname, Certificate] = {}
        self._acme: dict[Hostname, Certificate] = {}
        self._attempts: dict[int, Attempt] = {}
        self._asked: frozenset[Hostname] = frozenset()
        self._orders: dict[Hostname, asyncio.Task[None]] = {}
        self._plan = CertificatePlan()
        self._told = ""
        self._seen: tuple[RouteTable, ...] | None = None
        self._is_stirred = True
        self._fresh_until = 0.0

    def prepare(self) -> None:
        """Take up what is on disk. An order that an earlier controller died over counts as failed: nobody knows how far it came."""
        self._own = self._memory.certificates(CertificateSource.OWN)
        self._acme = self._memory.certificates(CertificateSource.ACME)
        self._attempts = {each.sequence: each for each in self._memory.attempts()}
        for damage in self._memory.damaged_certificates():
            self._tell(str(damage))
        for each in list(self._attempts.values()):
            if each.outcome is AttemptOutcome.OPEN:
                self._end(each.sequence, AttemptOutcome.FAILED, detail="the controller ended over it")

    async def run(self) -> None:
        """Until cancelled. Nothing else ends it: what goes wrong is told, and tried again."""
        try:
            while True:
                await self._bell.wait(at_most=self._glance_every if await self._turn() else _PAUSE)
        finally:
            for order in self._orders.values():
                order.cancel()
            await asyncio.gather(*self._orders.values(), return_exceptions=True)

    # what a person asks

    def views(self) -> tuple[CertificateView, ...]:
        """Every public hostname that is routed, and every certificate of a person's own that is shown for none, by name."""
        tables = {name: table for table in self._edge.tables() for name in table.hostnames if is_public(name)}
        routed = [self._view(name, table) for name, table in tables.items()]
        used = {held.certificate for name in tables if (held := self._best(name)) is not None}
        idle = [_idle_view(name, each) for name, each in self._own.items() if each not in used]
        return tuple(sorted([*routed, *idle], key=lambda view: (view.hostname, view.source)))

    def add(self, certificate: Certificate) -> tuple[Hostname, tuple[Hostname, ...]]:
        """A person's own, in the place of an earlier one with the same first name. Its name, and the routed hostnames it is for."""
        name = Hostname(certificate.hostnames[0])
        self._memory.save_certificate(CertificateSource.OWN, name, certificate)
        self._own[name] = certificate
        self._stir()
        return name, tuple(each for each in self._public() if certificate.covers(each))

    def remove(self, name: Hostname) -> None:
        """A person's own. Raises NotFound."""
        self._memory.remove_certificate(CertificateSource.OWN, name)
        self._own.pop(name, None)
        self._stir()

    def renew(self, hostname: Hostname) -> None:
        """Order it anew at once, if the authority allows it. Raises NotFound, InvalidInput with what stands in the way."""
        table = self._public().get(hostname)
        if table is None:
            raise NotFound(f"no app is reached under {hostname}", hint="`mooring certs` lists the hostnames that are")
        why = self._hindrance(hostname, table)
        if why:
            raise InvalidInput(f"no certificate is ordered for {hostname}: {why}")
        self._asked |= {hostname}
        self._stir()

    # how

    async def _turn(self) -> bool:
        """Show, then order, unless nothing can have changed. Whether all went well."""
        tables, now = self._edge.tables(), self._clock.monotonic()
        if tables is self._seen and not self._is_stirred and now < self._fresh_until:
            return True
        self._is_stirred, self._seen = False, None
        try:
            await self._show()
            self._place_orders()
            self._drop_stale()
            self._told, self._seen = "", tables
            self._fresh_until = now + min(_LOOK_EVERY, (self._plan.look_at or float("inf")) - self._clock.wall())
            return True
        except MooringError as error:
            self._trouble(f"certificates: {error}")
        except Exception as error:
            self._trouble("certificates: " + "".join(traceback.format_exception_only(error)).strip())
        return False

    async def _show(self) -> None:
        shown = {name: held.certificate for name in self._public() if (held := self._best(name)) is not None}
        await self._edge.show(shown)

    def _place_orders(self) -> None:
        if self._issuer is None:
            return
        now, public = self._clock.wall(), self._public()
        wanted = [name for name, table in public.items() if not self._hindrance(name, table)]
        holdings = {name: held.holding for name in wanted if (held := self._best(name)) is not None}
        attempts = tuple(self._attempts.values())
        self._plan = plan(wanted, holdings, attempts, now, terms=self._terms, asked=self._asked)
        for order in self._plan.orders:
            self._begin(order, self._issuer)

    def _begin(self, order: CertificateOrder, issuer: Issuer) -> None:
        now = self._clock.wall()
        sequence = self._memory.begin_attempt(order.hostname, at=now)
        self._attempts[sequence] = Attempt(sequence=sequence, hostname=order.hostname, at=now)
        self._asked -= {order.hostname}
        task = asyncio.create_task(self._fulfil(order, sequence, issuer), name=f"certificate of {order.hostname}")
        self._orders[order.hostname] = task
        task.add_done_callback(lambda _: self._orders.pop(order.hostname, None))

    async def _fulfil(self, order: CertificateOrder, sequence: int, issuer: Issuer) -> None:
        """From the intent, which is on disk, to the outcome. A defect anywhere is a failed order, and no more."""
        name = order.hostname
        try:
            certificate = await issuer.issue(name, self._challenges)
            self._memory.save_certificate(CertificateSource.ACME, name, certificate)
        except Exception as error:
            said = error.message if isinstance(error, MooringError) else f"{type(error).__name__}: {error}"
            retry_at = error.retry_at if isinstance(error, NotIssued) else 0.0
            self._end(sequence, AttemptOutcome.FAILED, detail=said, retry_at=retry_at)
            self._tell(f"no certificate for {name}: {said}")
            self._stir()
            return
        self._acme[name] = certificate
        self._end(sequence, AttemptOutcome.ISSUED)
        self._tell(f"{name} has a new certificate of {certificate.issuer} ({order.reason})")
        self._stir()

    def _end(self, sequence: int, outcome: AttemptOutcome, *, detail: str = "", retry_at: float = 0.0) -> None:
        """In memory in any case: with a full disk the next controller finds it open, and counts it as failed."""
        self._attempts[sequence] = msgspec.structs.replace(self._attempts[sequence], outcome=outcome, detail=detail, retry_at=retry_at)
        try:
            self._memory.end_attempt(sequence, outcome=outcome, detail=detail, retry_at=retry_at)
        except DriverError as error:
            self._trouble(f"certificates: {error}")

    def _drop_stale(self) -> None:
        """Of hostnames that nobody is reached under any more, once they have expired; until then the hostname may come back."""
        now, public = self._clock.wall(), self._public()
        for name in [name for name, each in self._acme.items() if name not in public and each.expires_at <= now]:
            self._memory.remove_certificate(CertificateSource.ACME, name)
            del self._acme[name]

    def _public(self) -> dict[Hostname, RouteTable]:
        return {name: table for table in self._edge.tables() for name in table.hostnames if is_public(name)}

    def _best(self, hostname: Hostname) -> Held | None:
        own = [Held(CertificateSource.OWN, each) for each in self._own.values() if each.covers(hostname)]
        acme = self._acme.get(hostname)
        return best([*own, *([Held(CertificateSource.ACME, acme)] if acme else [])], now=self._clock.wall())

    def _hindrance(self, hostname: Hostname, table: RouteTable) -> str:
        return hindrance(hostname, table.https, has_hook=self._has_hook) or ("" if self._issuer else _NO_ACCOUNT)

    def _view(self, hostname: Hostname, table: RouteTable) -> CertificateView:
        held, failed = self._best(hostname), failures(self._attempts.values(), hostname)
        why = self._hindrance(hostname, table)
        return CertificateView(
            hostname=hostname,
            environment=table.environment,
            source=held.source.value if held else "",
            issuer=held.certificate.issuer if held else "",
            expires_at=held.certificate.expires_at if held else 0.0,
            is_under_way=hostname in self._orders,
            next_order_at=0.0 if why else self._plan.next_orders.get(hostname, 0.0),
            hindrance=why,
            failures=len(failed),
            last_error=failed[-1].detail if failed else "",
            failing_since=failed[0].at if failed else 0.0,
        )

    def _stir(self) -> None:
        """Something changed: look again."""
        self._is_stirred = True
        self._bell.ring()

    def _trouble(self, message: str) -> None:
        """Told once, however long it lasts."""
        if message != self._told:
            self._told = message
            self._tell(message)


def _idle_view(name: Hostname, certificate: Certificate) -> CertificateView:
    return CertificateView(
        hostname=name,
        source=CertificateSource.OWN.value,
        issuer=certificate.issuer,
        expires_at=certificate.expires_at,
        hindrance="no app that it would be shown for is reached under its names",
    )
