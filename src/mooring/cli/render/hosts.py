"""Hosts as a table; what was found on one and what would be done there. Must not: decide what is a fault."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.render.table import Column, table
from mooring.model.host import DOCKER_SOCKET, FRESH, Host, Weight
from mooring.model.quantity import format_duration
from mooring.usecases.answers import HostPlan, HostStatus

_COLUMNS = (
    Column("host", is_flexible=True),
    Column("address", is_flexible=True),
    Column("region"),
    Column("runtime"),
    Column("edge"),
    Column("seen"),
    Column("instances", is_right=True),
    Column("apps", is_flexible=True),
)
MARKS = {
    Weight.GOOD: Span("✓ ", Style.SUCCESS),
    Weight.WARNING: Span("! ", Style.WARN),
    Weight.FAULT: Span("✗ ", Style.BAD),
}


def host_lines(hosts: Sequence[HostStatus], *, width: int | None) -> list[Line]:
    """One row a host, then why one does not answer."""
    if not hosts:
        return [line("Apps run on the controller's own machine; `mooring host add` adds another.")]
    troubles = [line(Span(f"{each.host.name}: {each.error}", Style.BAD)) for each in hosts if each.error]
    troubles += [line(Span(f"the edge on {each.host.name}: {each.edge_error}", Style.BAD)) for each in hosts if each.edge_error]
    return [*table(_COLUMNS, [_row(each) for each in hosts], width=width), *troubles]


def plan_lines(plan: HostPlan, *, width: int | None) -> list[Line]:
    """Findings with their hints, then numbered steps."""
    rows = [line(Span(f"{plan.host.name}: {_way(plan.host)}", Style.STRONG), Span(f"  {plan.fingerprint}", Style.DIM))]
    for finding in plan.preparation.findings:
        rows.append(line("  ", MARKS[finding.weight], f"{finding.subject}: {finding.said}"))
        if finding.hint:
            rows += hanging(line("    "), finding.hint, width=width, style=Style.DIM)
    for number, each in enumerate(plan.preparation.steps, start=1):
        rows += hanging(line(Span(f"  {number}. ", Style.DIM)), f"{each.what}: {each.reason}", width=width)
    if not plan.preparation.steps and plan.facts is not None:
        rows.append(line(Span("  Nothing has to be done there.", Style.DIM)))
    return rows


def _row(each: HostStatus) -> list[Line]:
    host = each.host
    return [
        line(host.name, Span(" borrowed", Style.DIM) if host.loan else ""),
        line(_way(host)),
        line(host.region),
        line(_runtime(host)),
        line(_ports(host)),
        line(_seen(each)),
        line(str(each.instances)),
        line(", ".join(each.environments) or ("draining" if host.is_draining else "")),
    ]


def _way(host: Host) -> str:
    return f"{host.address}, by {host.bastion.address}" if host.bastion else str(host.address)


def _runtime(host: Host) -> str:
    """With where the engine listens, unless that is where Docker does."""
    return host.runtime.value + (f", {host.engine_socket}" if host.engine_socket not in ("", DOCKER_SOCKET) else "")


def _ports(host: Host) -> str:
    """`80, 443`; empty where there is no edge."""
    return ", ".join(str(port) for port in (host.edge.http, host.edge.https) if port) if host.edge else ""


def _seen(each: HostStatus) -> Span:
    if each.age is None:
        return Span("never", Style.BAD)
    if each.error or each.age > FRESH:
        return Span(f"{format_duration(round(each.age))} ago", Style.BAD)
    return Span("draining" if each.host.is_draining else "now", Style.WARN if each.host.is_draining else Style.GOOD)
