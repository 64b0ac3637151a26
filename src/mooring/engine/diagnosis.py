"""Says why an instance is not well and what to do about it, in words for the person who deployed it. Pure.

`situation` names what is the case; here each name has its sentence and its advice. Must not: observe, or guess beyond the facts.
"""

from __future__ import annotations

from collections.abc import Callable

from mooring.drivers.runtime.contract import Inspection
from mooring.engine.last_error import last_error
from mooring.engine.situation import COMMAND_NOT_FOUND, MODULE_MISSING, VARIABLE_MISSING, Facts, Situation, situation
from mooring.model.health import Check, Diagnosis, Listening, ProbeResult
from mooring.model.instance import InstanceKey, InstanceView

Words = tuple[str, str]  # the likely cause as a sentence, and what to do


def diagnose(
    key: InstanceKey, inspection: Inspection, probes: tuple[ProbeResult, ...], *, check: Check, is_routed: bool = True
) -> Diagnosis:
    """Of one instance: `probes` are its answers so far, oldest first; `check` the question that was being asked."""
    facts = Facts(key=key, inspection=inspection, probes=probes, check=check, is_routed=is_routed)
    cause, hint = _WORDS[situation(facts)](facts)
    view = inspection.view
    return Diagnosis(
        instance=str(key),
        process_state=view.state.value if view else "gone",
        likely_cause=cause,
        hint=hint,
        port=facts.port,
        listening=inspection.listening,
        exit_code=view.exit_code if view else None,
        signal=view.signal if view else "",
        is_out_of_memory=inspection.is_out_of_memory,
        restarts=view.restarts if view else 0,
        probes=probes,
        last_lines=inspection.last_lines,
    )


def _gone(_: Facts) -> Words:
    return "it is not there any more", "deploy again; if it goes again, see the events of the host"


def _out_of_memory(facts: Facts) -> Words:
    if facts.view and facts.view.end_reason:
        return (
            f"{facts.view.end_reason}{_often(facts)}",
            f"let it use less memory, or declare more: {_key(facts, 'memory')} in mooring.toml",
        )
    return f"the kernel killed it because memory ran out{_often(facts)}", "let it use less memory, or run fewer instances on this host"


def _port_taken(facts: Facts) -> Words:
    holder = facts.inspection.port_holder
    taken = f"port {facts.port} is in use by {holder}" if holder else "the address it wants to listen on is in use"
    return taken, f"listen on $PORT ({facts.port}) once and on no fixed port; if another program holds it, end that program"


def _module_missing(facts: Facts) -> Words:
    match = facts.first_match(MODULE_MISSING)
    name = match and (match["name"] or match["node"])
    if name:
        return f"the module {name} is not installed", f"add {name} to the app's dependencies, or correct the import, and deploy again"
    return f"an import fails: {match['reason'] if match else ''}", "correct the import or the version of the dependency"


def _variable_missing(facts: Facts) -> Words:
    match = facts.first_match(VARIABLE_MISSING)
    name = match["name"] if match else ""
    return f"it needs the variable {name}, which is not set", f"mooring config set {name}=…, or mooring secret set {name}"


def _command_not_found(facts: Facts) -> Words:
    match = facts.first_match(COMMAND_NOT_FOUND)
    what = match["name"] if match else "its command"
    return f"{what} was not found (exit code 127)", "correct the command in the Procfile, or add what provides it to the dependencies"


def _not_executable(_: Facts) -> Words:
    return "its command may not be executed (exit code 126)", "set the executable bit (git update-index --chmod=+x FILE) and commit it"


def _killed(facts: Facts) -> Words:
    name = facts.view.signal if facts.view else ""
    hint = "see its last lines; SIGKILL often means that memory ran out" if name == "SIGKILL" else "see its last lines"
    return f"it was ended by {name}{_often(facts)}", hint


def _died_after_ready(facts: Facts) -> Words:
    return (
        f"it answered, and then {_end(facts.view)}{_often(facts)}{_last_error(facts)}",
        "see its last lines for what happened after it had started",
    )


def _finished(facts: Facts) -> Words:
    return (
        f"its command ends with code 0 instead of going on{_often(facts)}",
        "start the server in the foreground: a process type must run until it is told to stop",
    )


def _exited(facts: Facts) -> Words:
    return f"it {_end(facts.view)}{_often(facts)}{_last_error(facts)}", "see its last lines"


def _never_listens(facts: Facts) -> Words:
    return f"it runs, but listens on no port; it was told PORT={facts.port}", "start a server on the port in the variable PORT"


def _other_port(facts: Facts) -> Words:
    places = ", ".join(place(each) for each in facts.inspection.listening[:4])
    return f"it listens on {places}, but was told PORT={facts.port}", "start it on the port in the environment, such as --port $PORT"


def _only_ipv6(facts: Facts) -> Words:
    places = ", ".join(place(each) for each in facts.inspection.listening if each.port == facts.port)
    address = facts.view.address if facts.view else "127.0.0.1"
    return f"it listens on {places} only, but is asked on {address}:{facts.port}", "listen on 0.0.0.0 or 127.0.0.1 instead of ::1"


def _silent(facts: Facts) -> Words:
    said = facts.last_probe.said if facts.last_probe else ""
    longer = "" if _is_accessory(facts) else f"; or set a longer {_key(facts, 'health.timeout')}"
    return (
        f"it listens on port {facts.port}, but gave no answer within {facts.check.timeout:g} s{f' ({said})' if said else ''}",
        f"see what the first request waits for, such as a database{longer}",
    )


def _slow(facts: Facts) -> Words:
    longer = "" if _is_accessory(facts) else ", or give it a longer deploy.healthy_deadline"
    return f"it listens on port {facts.port} now, but was not ready in time", f"make it start faster{longer}"


def _host_refused(facts: Facts) -> Words:
    host = facts.check.host or "its hostname"
    return (
        f"it answers {_status(facts)} to the Host header {host}",
        f"allow {host} in the app, such as ALLOWED_HOSTS in Django's settings",
    )


def _not_found(facts: Facts) -> Words:
    tried = ", ".join(facts.check.paths) or "every path"
    return (
        f"it answers 404 on {tried}",
        f"add a page that says 200 when the app is well, such as /up, or name one: {_key(facts, 'health.path')}",
    )


def _refuses(facts: Facts) -> Words:
    return f"it answers {_status(facts)} on {_path(facts)}", "let the health check's path answer 2xx without logging in"


def _server_error(facts: Facts) -> Words:
    return f"it answers {_status(facts)} on {_path(facts)}: the app itself fails{_last_error(facts)}", "see its last lines for the error"


def _check_command_fails(facts: Facts) -> Words:
    last = facts.last_probe
    code, said = (last.status, last.said) if last else (0, "")
    return f"its check command ends with code {code}", said or f"run it by hand: {facts.check.command}"


def _starting(facts: Facts) -> Words:
    last = facts.last_probe
    return f"it has not become ready yet{f': {last.said}' if last and last.said else ''}", "see its last lines"


def _well(_: Facts) -> Words:
    return "nothing is wrong with it now: it answers", ""


_WORDS: dict[Situation, Callable[[Facts], Words]] = {
    Situation.GONE: _gone,
    Situation.OUT_OF_MEMORY: _out_of_memory,
    Situation.PORT_TAKEN: _port_taken,
    Situation.MODULE_MISSING: _module_missing,
    Situation.VARIABLE_MISSING: _variable_missing,
    Situation.COMMAND_NOT_FOUND: _command_not_found,
    Situation.NOT_EXECUTABLE: _not_executable,
    Situation.KILLED: _killed,
    Situation.DIED_AFTER_READY: _died_after_ready,
    Situation.FINISHED: _finished,
    Situation.EXITED: _exited,
    Situation.NEVER_LISTENS: _never_listens,
    Situation.OTHER_PORT: _other_port,
    Situation.ONLY_IPV6: _only_ipv6,
    Situation.SILENT: _silent,
    Situation.SLOW: _slow,
    Situation.HOST_REFUSED: _host_refused,
    Situation.NOT_FOUND: _not_found,
    Situation.REFUSES: _refuses,
    Situation.SERVER_ERROR: _server_error,
    Situation.CHECK_COMMAND_FAILS: _check_command_fails,
    Situation.STARTING: _starting,
    Situation.WELL: _well,
}


def place(listening: Listening) -> str:
    """`127.0.0.1:5000`, `[::1]:5000`."""
    address = f"[{listening.address}]" if ":" in listening.address else listening.address
    return f"{address}:{listening.port}"


def _often(facts: Facts) -> str:
    restarts = facts.view.restarts if facts.view else 0
    return f", and was restarted {restarts} time{'s' if restarts != 1 else ''}" if restarts else ""


def _is_accessory(facts: Facts) -> bool:
    return facts.key.environment.accessory is not None


def _key(facts: Facts, name: str) -> str:
    """The key of mooring.toml that says this of the instance: `processes.web.memory`, `accessories.redis.memory`."""
    accessory = facts.key.environment.accessory
    return f"accessories.{accessory}.{name}" if accessory else f"processes.{facts.key.process}.{name}"


def _last_error(facts: Facts) -> str:
    told = last_error(facts.inspection.last_lines)
    return f"; its last error is {told}" if told else ""


def _end(view: InstanceView | None) -> str:
    if view is None:
        return "went away"
    if view.signal:
        return f"was ended by {view.signal}"
    return f"exited with code {view.exit_code}" if view.exit_code is not None else "ended"


def _status(facts: Facts) -> int:
    return facts.last_probe.status if facts.last_probe else 0


def _path(facts: Facts) -> str:
    return (facts.last_probe.path if facts.last_probe else "") or "/"
