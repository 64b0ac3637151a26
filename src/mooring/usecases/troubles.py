"""All that is in trouble on a platform, worst first: parts, environments, review apps, hosts, edges, certificates, forges, the disk here.

Must not: look at anything by itself that could keep the answer waiting.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping

from mooring.drivers.edge.contract import Reloads
from mooring.engine.lookout import Ailment
from mooring.model.certificate import CertificateSource, CertificateView
from mooring.model.host import FRESH, Sight, Weight
from mooring.model.names import LOCAL, HostId
from mooring.model.quantity import format_duration, format_size
from mooring.model.records import EnvironmentRecord
from mooring.model.review import ReviewMark
from mooring.model.trouble import Trouble
from mooring.planner.certificates import SOON
from mooring.planner.hosts import LEAST_DISK
from mooring.usecases.answers import EnvironmentSummary, ForgeStatus, PartStatus
from mooring.usecases.borrowing import of_loans, waiting_words
from mooring.usecases.platform import Platform

_DAY = 86_400.0
_TOLD = _DAY  # seconds for which a reload is told of


def troubles(platform: Platform, parts: Iterable[PartStatus], environments: Iterable[EnvironmentSummary]) -> tuple[Trouble, ...]:
    """As things were last seen; faults before warnings."""
    now, controller = platform.clock.wall(), platform.controller
    found = [
        *of_parts(parts),
        *of_environments(environments),
        *of_review_apps(platform.memory.environments(), lambda mark: waiting_words(platform, mark)),
        *of_confinement(platform.memory.environments(), controller.fleet.unconfined()),
        *of_loans(platform.memory.loans(), platform.capacity.orphans, is_lender_there=platform.capacity.is_there),
        *of_hosts(controller.fleet.sights(), platform.lookout.ailments(), now=now, since=platform.started_at),
        *of_edges(controller.edges.sights(), controller.edges.reloads(), now=now, since=platform.started_at),
        *of_certificates(platform.certificates.views(), now=now),
        *of_forges([platform.forges.status(link) for link in platform.memory.forges()]),
        *of_disk(shutil.disk_usage(platform.directory).free),
    ]
    return tuple(sorted(found, key=lambda trouble: trouble.weight is not Weight.FAULT))


def of_parts(parts: Iterable[PartStatus]) -> list[Trouble]:
    hint = "it is started again by itself; if it stays down: `mooring up`, and its log in the state directory below log/"
    return [
        Trouble(subject=part.name, weight=Weight.FAULT, said=f"it is down{f': {part.said}' if part.said else ''}", hint=hint)
        for part in parts
        if not part.is_up
    ]


def of_environments(environments: Iterable[EnvironmentSummary]) -> list[Trouble]:
    """Those that ought to serve. One that is being deployed is told of by its deployment."""
    found = []
    for each in environments:
        name = each.environment
        if not each.desired or each.deployment or (each.is_serving and each.ready >= each.desired):
            continue
        weight = Weight.WARNING if each.is_serving or each.is_maintenance else Weight.FAULT
        said = f"{each.ready} of {each.desired} instances are ready" if each.age <= FRESH else "nobody knows how it is now"
        where = f"-a {name.app} -e {name.home.environment}"
        hint = f"`mooring ps {where}` says how each is, `mooring logs {where}` why"
        if name.accessory is not None:
            hint = f"`mooring accessory ls {where}` says how it is"
        found.append(Trouble(subject=str(name), weight=weight, said=said, hint=hint))
    return found


def of_review_apps(records: Iterable[EnvironmentRecord], words: Callable[[ReviewMark], str]) -> list[Trouble]:
    """Those that have no room on their hosts; `words` says why."""
    hint = (
        "it starts by itself when something has gone: `mooring review ls -a {app}` shows what could, `mooring review down` takes one down"
    )
    return [
        Trouble(
            subject=str(record.environment),
            weight=Weight.WARNING,
            said=f"it waits for room: {words(record.review)}",
            hint=hint.format(app=record.environment.app),
        )
        for record in records
        if record.review is not None and record.review.waiting
    ]


def of_confinement(records: Iterable[EnvironmentRecord], unconfined: Mapping[HostId, str]) -> list[Trouble]:
    """Once for a host, however many review apps run there; `unconfined` says why."""
    revisions = [record.revision for record in records if record.review is not None and record.revision is not None]
    hosts = {host for revision in revisions for slots in revision.placement.values() for host in slots}
    if any(not revision.placement for revision in revisions):
        hosts.add(LOCAL)
    hint = (
        "Linux 6.12 or newer, with landlock among its `lsm=`, and Mooring without NoNewPrivileges= (systemd) or no-new-privileges "
        "(docker); or have review apps run in containers, or under systemd as root"
    )
    return [
        Trouble(
            subject="this machine" if host == LOCAL else f"host {host}",
            weight=Weight.WARNING,
            said=f"its review apps are not wholly confined. {why}",
            hint=hint,
        )
        for host, why in unconfined.items()
        if host in hosts
    ]


def of_hosts(sights: Iterable[Sight], ailments: Iterable[Ailment], *, now: float, since: float) -> list[Trouble]:
    """`since`: when this controller began to look."""
    away = _away("host", sights, now=now, since=since)
    ailing = [
        Trouble(
            subject=f"host {each.host}",
            weight=each.finding.weight,
            said=f"{each.finding.subject}: {each.finding.said}",
            hint=each.finding.hint,
            since=each.since,
        )
        for each in ailments
    ]
    return away + ailing


def of_edges(sights: Iterable[Sight], reloads: Mapping[HostId, Reloads], *, now: float, since: float) -> list[Trouble]:
    away = _away("edge on", sights, now=now, since=since)
    reloaded = [
        Trouble(
            subject="edge" if host == LOCAL else f"edge on {host}",
            weight=Weight.WARNING,
            said=f"its proxy was reloaded {_times(each.count)} to make room for more apps, the last time "
            f"{format_duration(round(now - each.last_at))} ago; connections that were idle were closed",
            hint="nothing has to be done: each time it makes twice the room",
        )
        for host, each in reloads.items()
        if each.count and now - each.last_at < _TOLD
    ]
    return away + reloaded


def of_certificates(views: Iterable[CertificateView], *, now: float) -> list[Trouble]:
    """Of hostnames that are routed: those for which an order fails, and those that end and nobody renews."""
    found = []
    for each in views:
        if each.environment is None:
            continue
        left, subject = each.expires_at - now, f"certificate of {each.hostname}"
        if each.failures:
            weight = Weight.FAULT if left < SOON else Weight.WARNING
            said = f"ordering it failed {_times(each.failures)}: {each.last_error}"
            hint = f"it is tried again by itself; once the reason is mended: `mooring certs renew {each.hostname}`"
            found.append(Trouble(subject=subject, weight=weight, said=said, hint=hint, since=each.failing_since))
        elif each.expires_at and left < SOON and (each.hindrance or each.source == CertificateSource.OWN.value or left <= 0):
            said = f"it ends in {left / _DAY:.1f} days" if left > 0 else "it has expired"
            hint = f"the platform orders none: {each.hindrance}" if each.hindrance else "`mooring certs add` takes its successor"
            weight, since = (Weight.WARNING, 0.0) if left > 0 else (Weight.FAULT, each.expires_at)
            found.append(Trouble(subject=subject, weight=weight, said=said, hint=hint, since=since))
    return found


def of_forges(forges: Iterable[ForgeStatus]) -> list[Trouble]:
    hint = "`mooring forge check -a {app}` says more; pushes are noticed once it answers"
    return [
        Trouble(
            subject=f"forge of {each.link.app}",
            weight=Weight.WARNING,
            said=each.error,
            hint=hint.format(app=each.link.app),
        )
        for each in forges
        if each.error
    ]


def of_disk(free: int) -> list[Trouble]:
    """Bytes left where the state is."""
    if free >= LEAST_DISK:
        return []
    said = f"{format_size(free)} are free where the state directory is"
    return [
        Trouble(subject="this machine", weight=Weight.FAULT, said=said, hint=f"make room: at least {format_size(LEAST_DISK)} are needed")
    ]


def _away(kind: str, sights: Iterable[Sight], *, now: float, since: float) -> list[Trouble]:
    """Those that do not answer, since they were seen last; never seen: since this controller looks."""
    return [
        Trouble(
            subject=f"{kind} {each.host}",
            weight=Weight.FAULT,
            said=f"it does not answer: {each.error or 'no look at it has ended yet'}",
            hint=f"`mooring host check {each.host}` says more; if it is gone for good: `mooring host rm {each.host} --lost`",
            since=since if each.age is None else now - each.age,
        )
        for each in sights
        if each.is_away
    ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
