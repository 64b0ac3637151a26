"""From the layers to process types, and what can be wrong between them. Must not: read a file."""

from __future__ import annotations

import msgspec

from mooring.manifest import wording
from mooring.manifest.checks import checks_of
from mooring.manifest.layers import Layers
from mooring.manifest.problems import Problems
from mooring.model.names import ProcessName
from mooring.model.release import ProcessType

WEB = "web"
MOST = 100
_HOW_TO = 'create a file called Procfile with one line per process type, such as "web: gunicorn app:app"'


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into it. `is_complete`: nothing more will be offered. `elsewhere`: a file that may have been meant to say it."""

    layers: Layers
    is_complete: bool
    host: str
    elsewhere: str
    problems: Problems
    notes: list[str]


def processes_of(reading: Reading) -> tuple[ProcessType, ...]:
    """Every process type in the order of its command. Nothing is called missing that an unreadable line may have said."""
    names = _names(reading)
    if len(names) > MOST:
        file, line = reading.layers.place(f"processes.{names[MOST]}.command")
        message = f"there are {len(names)} process types; at most {MOST} can run"
        reading.problems.add(file, line, key="processes", message=message, hint="split the app, or run more instances of fewer types")
        return ()
    made = tuple(_process(name, reading) for name in names)
    if reading.is_complete and not made:
        _report_nothing_to_run(reading)
    elif reading.is_complete:
        _look_for_routed(made, reading)
    _report_shared_paths(made, reading)
    return made


def is_routed(name: str, layers: Layers) -> bool:
    """As said; else `web` and whatever has a path."""
    said = layers.value(f"processes.{name}.routed")
    return bool(said) if said is not None else name == WEB or f"processes.{name}.path" in layers


def _names(reading: Reading) -> list[str]:
    said = reading.layers.below("processes")
    commanded = [key.removesuffix(".command") for key in said if key.count(".") == 1 and key.endswith(".command")]
    others = [name for name in dict.fromkeys(key.partition(".")[0] for key in said) if name not in commanded]
    if not reading.is_complete:
        return commanded + others or [WEB]
    for name in others:
        _report_no_command(name, commanded, reading)
    return commanded


def _process(name: str, reading: Reading) -> ProcessType:
    layers, table = reading.layers, f"processes.{name}"
    routed = is_routed(name, layers)
    process = ProcessType(
        name=ProcessName(name),
        command=layers.text(f"{table}.command"),
        count=int(str(layers.value(f"{table}.count"))),
        is_routed=routed,
        is_single=layers.value(f"{table}.single") is True,
        checks=checks_of(name, layers, is_routed=routed, host=reading.host, problems=reading.problems),
        stop_signal=layers.text(f"{table}.stop_signal"),
        memory=int(str(layers.value(f"{table}.memory") or 0)),
        cpus=float(str(layers.value(f"{table}.cpus") or 0)),
        path=layers.text(f"{table}.path"),
    )
    _report_contradictions(process, reading)
    return process


def _report_contradictions(process: ProcessType, reading: Reading) -> None:
    table = f"processes.{process.name}"
    if process.is_single and process.count > 1:
        file, line = reading.layers.place(f"{table}.count", f"{table}.single")
        message = f"{table}.count is {process.count}, and {table}.single says that it must never run twice"
        reading.problems.add(file, line, key=f"{table}.count", message=message, hint="leave one of them out")
    if not process.is_routed and f"{table}.path" in reading.layers:
        file, line = reading.layers.place(f"{table}.path")
        message = f"{table} has the path {wording.shown(process.path)}, and {table}.routed = false keeps requests away from it"
        reading.problems.add(file, line, key=f"{table}.path", message=message, hint="leave one of them out")


def _report_no_command(name: str, commanded: list[str], reading: Reading) -> None:
    below = reading.layers.below(f"processes.{name}")
    found = next((found for found in below.values() if found.file == "mooring.toml"), next(iter(below.values())))
    close = wording.suggestion(name, commanded)
    if found.file != "mooring.toml":
        meant = f"; did you mean `{close}`?" if close else ""
        reading.notes.append(f"{found.origin}: there is no process type {name} to be counted or checked{meant}")
    elif not reading.problems.are_in("Procfile"):
        hint = f"did you mean processes.{close}?" if close else f'say what it runs: [processes.{name}] and below it command = "…"'
        message = f"processes.{name} has no command, here or in a Procfile"
        reading.problems.add(found.file, found.line, key=f"processes.{name}.command", message=message, hint=hint)


def _report_nothing_to_run(reading: Reading) -> None:
    if reading.problems:
        return
    hint = f"rename {wording.shown(reading.elsewhere)} to Procfile, with a capital P" if reading.elsewhere else _HOW_TO
    message = "nothing says what to run: there is no process type in a Procfile or mooring.toml, and the builder offers none"
    reading.problems.add("Procfile", 0, key="processes", message=message, hint=hint)


def _look_for_routed(made: tuple[ProcessType, ...], reading: Reading) -> None:
    routed = [process for process in made if process.is_routed]
    undecided = [process.name for process in made if f"processes.{process.name}.routed" not in reading.layers]
    close = wording.suggestion(WEB, undecided, cutoff=0.66)
    if reading.problems.are_in("Procfile"):
        return
    if not routed and close:
        file, line = reading.layers.place(f"processes.{close}.command")
        hint = f"did you mean `{WEB}`? If the name is meant, say so: processes.{close}.routed = false (or true) in mooring.toml"
        message = f"no process type is called {WEB}, so {close} would get no requests"
        reading.problems.add(file, line, key=f"processes.{close}", message=message, hint=hint)
    elif not routed:
        names = wording.joined(process.name for process in made)
        reading.notes.append(f"nothing is routed: there is no process type {WEB}, only {names}; requests get no answer from this app")
    elif all(process.path != "/" for process in routed):
        paths = wording.joined(process.path for process in routed)
        reading.notes.append(f"requests for paths other than {paths} get no answer from this app")


def _report_shared_paths(made: tuple[ProcessType, ...], reading: Reading) -> None:
    owners: dict[str, str] = {}
    for process in made:
        if not process.is_routed:
            continue
        table = f"processes.{process.name}"
        if process.path in owners:
            file, line = reading.layers.place(f"{table}.path", f"{table}.routed", f"{table}.command")
            message = f"{owners[process.path]} and {process.name} are both routed at the path {wording.shown(process.path)}"
            hint = f'give one of them another path: [{table}] and below it path = "/{process.name.lower()}"'
            reading.problems.add(file, line, key=f"{table}.path", message=message, hint=hint)
        owners.setdefault(process.path, process.name)
