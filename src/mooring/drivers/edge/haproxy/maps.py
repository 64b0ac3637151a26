"""The tables as HAProxy's maps: which key leads to which value. Must not: write or send them.

A route's value is one line that holds all its settings, so that one look-up, and one change of one entry, is all it takes:
`backend|route|flags|largest body|request timeout|stream timeout|hold|page|hsts|user:digest|networks|wakes`, times in milliseconds (of HSTS
in seconds), a limit of none as a very long time, networks with commas between them; `wakes` is 0 unless it is asleep.
Flags: `m` maintenance, `t` another request timeout than the usual one, `r` plain HTTP is sent to HTTPS, `h` HSTS is told, `s` for
names below too, `g` a password is asked for, `n` search engines pass it over, `l` only who is in one of the networks gets in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mooring.model.edge import EdgeSettings
from mooring.model.environment import EnvironmentId
from mooring.model.names import ProcessName
from mooring.model.routing import ChallengeAnswer, PathRoute, RouteTable

NOTHING = "-"  # the hostname is known, but nothing is routed under that path
NO_LIMIT = 2_000_000_000  # milliseconds; HAProxy's timers end at 2^31
CHALLENGE_PATH = "/.well-known/acme-challenge/"


def route_name(environment: EnvironmentId, process: ProcessName) -> str:
    return f"{environment.slug}/{process}"


def route_entries(table: RouteTable, backends: Mapping[str, int], secured: frozenset[str]) -> dict[str, str]:
    """Of one table, by hostname and path. `backends` are numbers by route name; `secured` the names with a certificate of the wide web."""
    found = {f"{name}/": NOTHING for name in table.hostnames}
    for route in table.routes:
        backend = f"b{backends[route_name(table.environment, route.process)]}"
        for name in table.hostnames:
            found[_key(name, route.path)] = _value(table, route, backend=backend, is_secured=name in secured)
    return found


def wildcard_entries(tables: Iterable[RouteTable]) -> dict[str, str]:
    """The longest first, since HAProxy takes the first that fits."""
    names = sorted((name for table in tables for name in table.hostnames if name.startswith("*.")), key=len, reverse=True)
    return {name[1:]: name for name in names}


def challenge_entries(answers: Iterable[ChallengeAnswer]) -> dict[str, str]:
    return {f"{each.hostname}{CHALLENGE_PATH}{each.token}/": each.content for each in answers}


def _key(hostname: str, path: str) -> str:
    """Ends with a slash, as what is looked up does: so only whole segments count."""
    return f"{hostname}{path.rstrip('/')}/"


def _value(table: RouteTable, route: PathRoute, *, backend: str, is_secured: bool) -> str:
    wakes = round(table.wakes_within * 1000) if table.is_asleep else 0
    is_usual = table.request_timeout == EdgeSettings().request_timeout and not wakes
    is_redirected, is_told = is_secured and table.https.redirect, is_secured and table.https.hsts > 0
    is_told_below = is_told and table.https.hsts_subdomains
    access, is_guarded = table.access, bool(table.access.user)
    said = (
        table.is_maintenance,
        not is_usual,
        is_redirected,
        is_told,
        is_told_below,
        is_guarded,
        not access.is_indexed,
        bool(access.networks),
    )
    flags = zip("mtrhsgnl", said, strict=True)
    fields = (
        backend,
        route_name(table.environment, route.process),
        "".join(flag for flag, is_set in flags if is_set),
        table.max_request_bytes,
        _milliseconds(table.request_timeout),
        _milliseconds(table.stream_idle_timeout),
        round(table.hold * 1000),
        table.page.value,
        int(table.https.hsts),
        f"{access.user}:{access.digest}" if is_guarded else "",
        ",".join(access.networks),
        wakes,
    )
    return "|".join(str(field) for field in fields)


def _milliseconds(seconds: float) -> int:
    return min(max(round(seconds * 1000), 1), NO_LIMIT) if seconds else NO_LIMIT
