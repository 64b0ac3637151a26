"""What HAProxy's answers say: servers, requests in flight, entries of maps. Pure readers; source: management guide 2.6, 9.3.

Must not: ask.
"""

from __future__ import annotations

import csv
import re

import msgspec

_MAINTENANCE = 0x01 | 0x02 | 0x20  # forced, inherited, by the resolver: srv_admin_state in the manual's "show servers state"
_DRAINING = 0x08 | 0x10
_MAP_ENTRY = re.compile(r"^0x[0-9a-f]+ (\S+) (.*)$")
_STREAM = re.compile(r"key=(\S+) .*conn_cur=(\d+)")


class Seen(msgspec.Struct, frozen=True):
    """A server as HAProxy has it."""

    address: str
    port: int
    is_active: bool


def servers(answer: str) -> dict[str, dict[str, Seen]]:
    """Of `show servers state`: by backend, by name."""
    found: dict[str, dict[str, Seen]] = {}
    for line in answer.splitlines():
        words = line.split(" ")
        if len(words) > 18 and not line.startswith("#"):
            state = int(words[6])
            is_active = not state & (_MAINTENANCE | _DRAINING)
            found.setdefault(words[1], {})[words[3]] = Seen(words[4], int(words[18]), is_active)
    return found


def in_flight(answer: str) -> dict[str, int]:
    """Of `show stat`: requests by server, those that have none left out."""
    rows = csv.DictReader(answer.strip().removeprefix("# ").splitlines())
    counts = ((row["svname"], int(row["scur"] or 0)) for row in rows if row.get("svname") and row.get("scur"))
    return {name: count for name, count in counts if count}


def streams(answer: str) -> dict[str, int]:
    """Of `show table`: WebSockets and event streams by server."""
    found = {match[1]: int(match[2]) for match in map(_STREAM.search, answer.splitlines()) if match}
    return {name: count for name, count in found.items() if count}


def entries(answer: str) -> dict[str, str]:
    """Of `show map`, in their order."""
    return {match[1]: match[2] for match in map(_MAP_ENTRY.match, answer.splitlines()) if match}


def old_workers(answer: str) -> list[int]:
    """Of `show proc` on the master's socket: the processes that only finish what they began before a reload."""
    lines = answer.partition("# old workers")[2].partition("# programs")[0].splitlines()
    return [int(line.split()[0]) for line in lines if line and line[0].isdigit()]
