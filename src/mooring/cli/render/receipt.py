"""What a deployment proved, as a table: requests, seconds, instances, addresses. Must not: add a number that no receipt holds."""

from __future__ import annotations

from mooring.cli.render.styled import HARD_SPACE, Line, Span, Style, clip, hanging, line
from mooring.cli.render.table import Column, table
from mooring.model.quantity import format_duration, format_size
from mooring.model.receipt import ProbeStream, Receipt
from mooring.model.routing import Traffic

LABEL = 14


def receipt_lines(receipt: Receipt, *, width: int | None) -> list[Line]:
    """The whole receipt."""
    return [
        *_phases(receipt, width=width),
        *([(), *_requests(receipt, width=width), ()] if receipt.traffic.requests or receipt.probes else []),
        *_facts(receipt, width=width),
        *(row for url in receipt.urls for row in labelled("serves at", line(Span(url, Style.ACCENT)), width=width)),
    ]


def labelled(label: str, value: Line | str, *, width: int | None) -> list[Line]:
    """A dimmed label and its value; a text is wrapped, spans are clipped."""
    head = line(Span(f"  {label:<{LABEL}}", Style.DIM))
    return hanging(head, value, width=width) if isinstance(value, str) else [clip((*head, *value), width)]


def _phases(receipt: Receipt, *, width: int | None) -> list[Line]:
    told = [f"{time.phase}{HARD_SPACE}{format_duration(time.seconds)}" for time in receipt.phases if time.phase not in ("queued", "ended")]
    rows = labelled("phases", f"{HARD_SPACE}· ".join(told), width=width) if told else []
    if receipt.first_answer is not None and receipt.to_release:
        rows += labelled("first answer", f"of the new release after {format_duration(receipt.first_answer)}", width=width)
    return rows


def _requests(receipt: Receipt, *, width: int | None) -> list[Line]:
    columns = [
        Column("requests"),
        Column("served", is_right=True),
        Column("failed", is_right=True),
        Column("app errors", is_right=True),
        Column("slowest", is_right=True),
        Column("", is_flexible=True),
    ]
    rows = [_edge_row(receipt.traffic), *([_probe_row(receipt.probes)] if receipt.probes else [])]
    told = table(columns, rows, width=width, indent=2)
    for failure in (*receipt.traffic.failures, *(receipt.probes.failures if receipt.probes else ())):
        told += hanging(line(Span("    ✗ ", Style.BAD)), failure, width=width)
    return told


def _edge_row(traffic: Traffic) -> list[Line]:
    served = traffic.requests - traffic.failed - traffic.app_errors
    asides = [
        f"on {traffic.slowest_path}" if traffic.slowest_path else "",
        f"{traffic.held} held" if traffic.held else "",
        f"{traffic.cancelled} cancelled by clients" if traffic.cancelled else "",
        f"{traffic.streams_ended} {'stream' if traffic.streams_ended == 1 else 'streams'} ended" if traffic.streams_ended else "",
    ]
    return [
        line("edge log"),
        line(f"{served:,}"),
        _count(traffic.failed, bad=Style.FAILURE, good=Style.GOOD),
        _count(traffic.app_errors, bad=Style.WARN),
        line(_slowest(traffic.slowest)),
        line(Span(" · ".join(aside for aside in asides if aside), Style.DIM)),
    ]


def _probe_row(probes: ProbeStream) -> list[Line]:
    unanswered = probes.sent - probes.answered - probes.failed
    return [
        line(f"probes {probes.rate:g}/s"),
        line(f"{probes.answered:,}"),
        _count(probes.failed, bad=Style.FAILURE, good=Style.GOOD),
        (),
        line(_slowest(probes.slowest)),
        line(Span(f"{unanswered} unanswered" if unanswered > 0 else "", Style.DIM)),
    ]


def _facts(receipt: Receipt, *, width: int | None) -> list[Line]:
    counts = [
        f"{receipt.instances_started} started",
        f"{receipt.instances_stopped} stopped",
    ]
    rows = labelled("instances", " · ".join(counts), width=width)
    if receipt.connections_moved:
        rows += labelled("connections", f"{receipt.connections_moved} moved", width=width)
    if receipt.artifact_bytes:
        rows += labelled("artifact", format_size(receipt.artifact_bytes), width=width)
    if receipt.assets:
        told = f"{receipt.assets.pushed:,} pushed ({format_size(receipt.assets.pushed_bytes)})"
        rows += labelled(
            "assets", f"{told} · {receipt.assets.skipped:,} there already ({format_size(receipt.assets.skipped_bytes)})", width=width
        )
    for note in receipt.notes:
        rows += labelled("note", note, width=width)
    return rows


def _count(amount: int, *, bad: Style, good: Style = Style.PLAIN) -> Line:
    return line(Span(f"{amount:,}", bad if amount else good))


def _slowest(seconds: float) -> str:
    return latency(seconds) if seconds else "-"


def latency(seconds: float) -> str:
    """`41 ms` or `3.0s`: what a request took."""
    if 0 <= seconds < 0.001:
        return "under 1 ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else format_duration(seconds)
