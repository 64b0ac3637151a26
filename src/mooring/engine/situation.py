"""Names the situation of an instance that is not well, from what was observed of it. Must not: ask anything, or choose the words."""

from __future__ import annotations

import enum
import ipaddress
import re

import msgspec

from mooring.drivers.runtime.contract import Inspection
from mooring.model.health import Check, CheckKind, ProbeResult
from mooring.model.instance import InstanceKey, InstanceView, ProcessState


class Situation(enum.Enum):
    """One cause each; told apart so that each can have its own advice."""

    GONE = "gone"
    OUT_OF_MEMORY = "out-of-memory"
    PORT_TAKEN = "port-taken"
    MODULE_MISSING = "module-missing"
    VARIABLE_MISSING = "variable-missing"
    COMMAND_NOT_FOUND = "command-not-found"
    NOT_EXECUTABLE = "not-executable"
    KILLED = "killed"
    DIED_AFTER_READY = "died-after-ready"
    FINISHED = "finished"
    EXITED = "exited"
    NEVER_LISTENS = "never-listens"
    OTHER_PORT = "other-port"
    ONLY_IPV6 = "only-ipv6"
    SILENT = "silent"
    SLOW = "slow"
    HOST_REFUSED = "host-refused"
    NOT_FOUND = "not-found"
    REFUSES = "refuses"
    SERVER_ERROR = "server-error"
    CHECK_COMMAND_FAILS = "check-command-fails"
    STARTING = "starting"
    WELL = "well"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a diagnosis may go by. `probes` oldest first; `check` is the one that was being asked."""

    key: InstanceKey
    inspection: Inspection
    probes: tuple[ProbeResult, ...]
    check: Check
    is_routed: bool

    @property
    def view(self) -> InstanceView | None:
        return self.inspection.view

    @property
    def last_probe(self) -> ProbeResult | None:
        return self.probes[-1] if self.probes else None

    @property
    def port(self) -> int:
        return self.view.port if self.view else 0

    @property
    def is_answering(self) -> bool:
        return self.last_probe is not None and self.last_probe.passed

    def first_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Where the last lines say it, the newest first."""
        return next((match for line in reversed(self.inspection.last_lines) if (match := pattern.search(line))), None)


PORT_TAKEN = re.compile(r"address already in use|EADDRINUSE|\[Errno 98\]", re.IGNORECASE)
MODULE_MISSING = re.compile(
    r"No module named '?(?P<name>[\w.]+)|Cannot find (?:module|package) '(?P<node>[^']+)'|ImportError: (?P<reason>.{1,120})"
)
VARIABLE_MISSING = re.compile(r"KeyError: '(?P<name>[A-Z][A-Z0-9_]*)'")
COMMAND_NOT_FOUND = re.compile(r"(?:\A|: )(?P<name>[^\s:]+): (?:command )?not found")
HOST_REFUSED = re.compile(r"DisallowedHost|Invalid HTTP_HOST header|ALLOWED_HOSTS|Blocked host", re.IGNORECASE)


def situation(facts: Facts) -> Situation:
    """The first of these that fits: what killed it, then where it listens, then what it answers."""
    view = facts.view
    if view is None:
        return Situation.GONE
    if facts.inspection.is_out_of_memory:
        return Situation.OUT_OF_MEMORY
    if _has_died(view):
        return _death(facts, view)
    if facts.check.kind is CheckKind.COMMAND:
        return _by_command(facts)
    if facts.is_routed and facts.port and not facts.is_answering:
        return _listening(facts, view)
    return Situation.WELL if facts.is_answering else Situation.STARTING


def _has_died(view: InstanceView) -> bool:
    return view.exit_code is not None or bool(view.signal) or view.state in (ProcessState.BACKOFF, ProcessState.EXITED)


def _death(facts: Facts, view: InstanceView) -> Situation:
    """What the last lines say explains more than an exit code does."""
    if facts.first_match(PORT_TAKEN):
        return Situation.PORT_TAKEN
    if view.exit_code == 127:
        return Situation.COMMAND_NOT_FOUND
    if view.exit_code == 126:
        return Situation.NOT_EXECUTABLE
    if facts.first_match(MODULE_MISSING):
        return Situation.MODULE_MISSING
    if facts.first_match(VARIABLE_MISSING):
        return Situation.VARIABLE_MISSING
    if any(probe.passed for probe in facts.probes):
        return Situation.DIED_AFTER_READY
    if view.signal:
        return Situation.KILLED
    return Situation.FINISHED if view.exit_code == 0 else Situation.EXITED


def _by_command(facts: Facts) -> Situation:
    last = facts.last_probe
    if last is None:
        return Situation.STARTING
    return Situation.WELL if last.passed else Situation.CHECK_COMMAND_FAILS


def _listening(facts: Facts, view: InstanceView) -> Situation:
    if facts.inspection.port_holder:
        return Situation.PORT_TAKEN
    on_port = [each for each in facts.inspection.listening if each.port == view.port]
    status = facts.last_probe.status if facts.last_probe else 0
    if status:
        return _answered(facts, status)
    if not on_port:
        return Situation.OTHER_PORT if facts.inspection.listening else Situation.NEVER_LISTENS
    if not any(_serves(each.address, view.address) for each in on_port):
        return Situation.ONLY_IPV6
    was_refused = facts.last_probe is not None and "refused" in facts.last_probe.said
    return Situation.SLOW if was_refused or facts.last_probe is None else Situation.SILENT


def _serves(listening: str, asked: str) -> bool:
    """Whether a socket bound to `listening` takes connections to `asked`; `::` takes IPv4 too, as the kernel does by default."""
    bound, target = ipaddress.ip_address(listening), ipaddress.ip_address(asked)
    return bound == target or (bound.is_unspecified and (bound.version == 6 or target.version == 4))


def _answered(facts: Facts, status: int) -> Situation:
    if status in (400, 403, 421) and facts.first_match(HOST_REFUSED):
        return Situation.HOST_REFUSED
    if status >= 500:
        return Situation.SERVER_ERROR
    if status == 404:
        return Situation.NOT_FOUND
    return Situation.HOST_REFUSED if status in (400, 421) else Situation.REFUSES
