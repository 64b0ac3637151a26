"""The platform and its environments at a glance. Must not: say "serving" without the age of that knowledge."""

from __future__ import annotations

from mooring.cli.render.hosts import MARKS
from mooring.cli.render.instances import STALE_AFTER
from mooring.cli.render.moments import ago
from mooring.cli.render.receipt import labelled
from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.cli.render.table import Column, table_with_places
from mooring.model.quantity import format_duration
from mooring.model.records import Unowned
from mooring.model.trouble import Trouble
from mooring.usecases.answers import EnvironmentSummary, PartStatus, PlatformStatus

_COLUMNS = (
    Column("environment", is_flexible=True),
    Column("release"),
    Column("state"),
    Column("ready", is_right=True),
    Column("seen", is_right=True),
    Column("address"),
)


def status_lines(status: PlatformStatus, *, now: float, width: int | None) -> list[Line]:
    """Parts of the platform and what is in trouble, then a row an environment."""
    since = f" for {ago(status.started_at, now=now)}" if status.started_at else ""
    https = f", https {status.https_port}" if status.https_port else ""
    rows = [
        line(Span(f"mooring {status.version}", Style.STRONG), Span(f"  up{since}", Style.DIM)),
        *labelled("ports", f"http {status.http_port}{https}", width=width),
        *labelled("state", status.state_directory, width=width),
        *labelled("backup", f"last asked for {ago(status.backed_up_at, now=now)} ago" if status.backed_up_at else "none yet", width=width),
        *(row for said in status.borrowed for row in labelled("borrowed", said, width=width)),
        *(row for part in status.parts for row in _part(part, width=width)),
        *(row for trouble in status.troubles for row in _trouble(trouble, now=now, width=width)),
        (),
    ]
    if status.environments:
        rows += table_with_places(_COLUMNS, [_environment(summary) for summary in status.environments], width=width)
    else:
        rows.append(line("No app yet: `mooring deploy` in its directory brings the first."))
    return [*rows, *(row for each in status.unowned for row in _unowned(each, width=width))]


def _trouble(trouble: Trouble, *, now: float, width: int | None) -> list[Line]:
    since = f" (since {ago(trouble.since, now=now)} ago)" if trouble.since else ""
    head = hanging(line(MARKS[trouble.weight]), f"{trouble.subject}: {trouble.said}{since}", width=width)
    return [*head, *hanging(line("    "), trouble.hint, width=width, style=Style.DIM)]


def _unowned(unowned: Unowned, *, width: int | None) -> list[Line]:
    """What is nobody's, and the words that remove it."""
    count, name = len(unowned.instances), unowned.environment
    what = f"{count} instance{'' if count == 1 else 's'}" + (
        f" and the routes of {', '.join(unowned.hostnames)}" if unowned.hostnames else ""
    )
    command = f"mooring destroy -a {name.app} -e {name.environment} --confirm {name}"
    if name.accessory is not None:
        command = f"mooring accessory rm {name.accessory} -a {name.app} -e {name.home.environment} --volume"
    said = f"{name}: {what} of an environment that is not known here. To remove that: {command}"
    return [(), *hanging(line(Span("! ", Style.WARN)), said, width=width)]


def _part(part: PartStatus, *, width: int | None) -> list[Line]:
    mark = Span("✓ up", Style.GOOD) if part.is_up else Span("✗ down", Style.FAILURE)
    head = line(Span(f"  {part.name:<15} ", Style.DIM), mark)
    return hanging((*head, Span(": ")), part.said, width=width) if part.said and not part.is_up else [head]


def _environment(summary: EnvironmentSummary) -> list[Line]:
    age = Span(f"{format_duration(summary.age)} ago" if summary.age >= 1 else "now", Style.WARN if summary.age > STALE_AFTER else Style.DIM)
    return [
        line(Span(str(summary.environment), Style.STRONG)),
        line(f"v{summary.release}" if summary.release else "-"),
        line(state_words(summary)),
        line(f"{summary.ready}/{summary.desired}"),
        line(age),
        line(Span(summary.urls[0] if summary.urls else "", Style.ACCENT)),
    ]


def state_words(summary: EnvironmentSummary) -> Span:
    """The state in a few words, from what was seen."""
    extras = ["deploying" if summary.deployment else "", "locked" if summary.is_locked else ""]
    more = "".join(f", {extra}" for extra in extras if extra)
    if not summary.release:
        return Span(f"runs nothing{more}", Style.DIM)
    if summary.is_maintenance:
        return Span(f"maintenance page{more}", Style.WARN)
    if summary.is_asleep:
        return Span(f"asleep{more}", Style.DIM)
    if not summary.is_serving:
        return Span(f"not serving{more}", Style.FAILURE)
    return Span(f"serving{more}", Style.WARN if summary.ready < summary.desired else Style.GOOD)
