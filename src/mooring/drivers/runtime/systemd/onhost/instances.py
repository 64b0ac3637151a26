"""Instances as units: put, started, stopped, looked at. Must not: wait for an app to be well."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from typing import Any

from mooring.drivers.runtime import listeners
from mooring.drivers.runtime.systemd.onhost import artifacts, fences, journal, ports, record, units
from mooring.drivers.runtime.systemd.onhost.place import Place

_SHOWN = ("ActiveState", "MainPID", "MemoryCurrent", "ControlGroup")
_NOT_KNOWN = str(2**64 - 1)  # what systemd shows of a number that it does not have
_MARGIN = 30.0  # seconds beyond the grace


def unit_name(slug: str) -> str:
    return f"mooring-{slug}.service"


def start(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """Nothing when it runs; what a crash left half made is made whole."""
    spec, slug = asked["spec"], asked["spec"]["slug"]
    run, unit = place.path("run", slug), unit_name(slug)
    place.check()
    with fences.held(place, asked["mark"]):
        refuse_foreign(place, unit)
        is_whole = os.path.exists(f"{run}/launch") and os.path.exists(f"{place.units}/{unit}")
        if not is_whole:
            _put(place, spec, asked)
        journal.remember(place, unit, spec)
        _enable(place, unit, wanted=True)
        if place.shown([unit], "NeedDaemonReload").get(unit, {}).get("NeedDaemonReload") == "yes":
            place.order("daemon-reload")
        try:
            place.order("start", "--no-block", "--", unit)
        except record.Failed:
            _remove(place, slug)
            raise
    return {}


def stop(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """Returns when no process of it is left. The number is compared before; whoever comes later finds it stopping."""
    slug, grace = asked["slug"], float(asked["grace"])
    run, unit = place.path("run", slug), unit_name(slug)
    with fences.held(place, asked["mark"]):
        if not os.path.isdir(run):
            return {}
        refuse_foreign(place, unit)
        _note(run, grace)
        _enable(place, unit, wanted=False)
    place.order("stop", "--", unit, within=grace + _MARGIN)
    _remove(place, slug)
    return {}


def restart(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    slug, grace = asked["slug"], float(asked["grace"])
    run, unit = place.path("run", slug), unit_name(slug)
    with fences.held(place, asked["mark"]):
        if not os.path.isdir(run):
            return {}
        refuse_foreign(place, unit)
        _note(run, grace)
    place.order("restart", "--", unit, within=grace + _MARGIN)
    return {}


def observe(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """Every instance that lies in this directory, and what systemd says of its unit."""
    runs = place.path("run")
    slugs = sorted(slug for slug in (os.listdir(runs) if os.path.isdir(runs) else ()) if record.read(f"{runs}/{slug}/instance.json"))
    shown = place.shown([unit_name(slug) for slug in slugs], *_SHOWN)
    return {"instances": [_seen(place, slug, shown.get(unit_name(slug), {})) for slug in slugs]}


def inspect(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    slug = asked["slug"]
    run, unit = place.path("run", slug), unit_name(slug)
    lines = journal.last_lines(place, unit, asked["lines"])
    instance = record.read(f"{run}/instance.json")
    if not instance:
        return {"instance": None, "lines": lines}
    shown = place.shown([unit], *_SHOWN).get(unit, {})
    pids = processes(shown.get("ControlGroup", ""))
    return {
        "instance": _seen(place, slug, shown),
        "lines": lines,
        "listening": listeners.listening(pids),
        "port_holder": listeners.holder(instance["port"], besides=pids) if instance["port"] else "",
    }


def processes(group: str) -> list[int]:
    """Of a control group and those below it."""
    found: list[int] = []
    for hierarchy in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"):
        for folder, _, _ in os.walk(hierarchy + group) if group else ():
            with contextlib.suppress(OSError), open(f"{folder}/cgroup.procs") as file:
                found += [int(pid) for pid in file.read().split()]
        if found:
            break
    return found


def refuse_foreign(place: Place, unit: str) -> None:
    """A unit of that name that is somebody else's is never touched."""
    path = place.shown([unit], "FragmentPath").get(unit, {}).get("FragmentPath", "") or f"{place.units}/{unit}"
    with contextlib.suppress(FileNotFoundError), open(path, errors="replace") as file:
        if not units.is_owned(file.read(), place.directory):
            message = f"a unit {unit} that is not this platform's stands in {path}"
            raise record.Failed("unavailable", message, "remove it, or give the app another name")


def _put(place: Place, spec: dict[str, Any], asked: dict[str, Any]) -> None:
    """The unit file last: what has one is complete. Nothing is left of what could not be written whole."""
    slug = spec["slug"]
    run = place.path("run", slug)
    artifacts.locate(place, spec)
    try:
        port = ports.take(place, spec["port_owner"], *asked["ports"]) if spec["port_owner"] else 0
        record.make_directory(run)
        variables = dict(spec["variables"])
        if port:
            variables = {"HOST": asked["address"], **variables, "PORT": str(port)}
        if spec["is_lasting"] and not place.is_root:  # root's systemd makes one, with the user that it makes
            record.make_directory(place.volume(spec["environment_slug"]))
        lay_out(run, spec, variables, volume=place.volume(spec["environment_slug"]) if spec["is_lasting"] else "")
        kept = {name: spec[name] for name in ("key", "memory", "artifact")}
        record.write(f"{run}/instance.json", {**kept, "port": port, "address": asked["address"]})
        text = units.instance_unit(
            spec,
            directory=place.directory,
            run=run,
            program=place.program,
            python=sys.executable,
            is_root=place.is_root,
            target=place.target,
        )
        record.make_directory(place.units, 0o755)
        record.write_whole(f"{place.units}/{unit_name(slug)}", text.encode(), 0o644)
        place.clear(unit_name(slug))
    except BaseException:
        _remove(place, slug)
        raise


def _note(run: str, grace: float) -> None:
    """That its end is asked for. On a full disk it is ended all the same, within the grace that its unit knows."""
    with contextlib.suppress(OSError):
        record.write(f"{run}/asked.json", {"grace": grace})


def lay_out(run: str, spec: dict[str, Any], variables: dict[str, str], *, volume: str = "") -> None:
    """What only systemd reads, and hands to the app's user as credentials. `volume`: where it starts instead of its directory."""
    if spec["secret_files"]:
        record.make_directory(f"{run}/secrets")
    for name, value in spec["secret_files"].items():
        record.write_whole(f"{run}/secrets/{name}", value.encode("utf-8", "surrogateescape"))
    launch = {name: spec[name] for name in ("argv", "directory", "files", "stop_signal", "grace")}
    if volume:
        launch["directory"] = volume
        variables = {**variables, "VOLUME": volume}
    record.write(f"{run}/launch", {**launch, "environment": variables})


def _remove(place: Place, slug: str) -> None:
    unit = unit_name(slug)
    _enable(place, unit, wanted=False)
    record.remove(f"{place.units}/{unit}")
    place.clear(unit)
    ports.give_back(place, slug)
    shutil.rmtree(place.path("run", slug), ignore_errors=True)


def _enable(place: Place, unit: str, *, wanted: bool) -> None:
    """Whether the host starts it when it boots."""
    folder = f"{place.units}/{place.target}.wants"
    link = f"{folder}/{unit}"
    if not wanted:
        record.remove(link)
    elif not os.path.islink(link):
        record.make_directory(folder, 0o755)
        os.symlink(f"{place.units}/{unit}", link)
    if os.path.isdir(folder):
        record.sync(folder)


def _seen(place: Place, slug: str, shown: dict[str, str]) -> dict[str, Any]:
    run = place.path("run", slug)
    instance, status, ended = (record.read(f"{run}/{name}.json") for name in ("instance", "status", "exit"))
    retry_at = float(status.get("retry_at", 0.0))
    memory = shown.get("MemoryCurrent", "")
    return {
        "key": instance["key"],
        "address": instance["address"],
        "port": instance["port"],
        "limit": instance["memory"],
        "state": _state(shown, is_waiting=retry_at > 0),
        "pid": int(shown.get("MainPID") or 0),
        "memory": int(memory) if memory.isdigit() and memory != _NOT_KNOWN else 0,
        "restarts": max(int(status.get("starts", 0)) - 1, 0),
        "started_at": float(status.get("started_at", 0.0)),
        "retry_at": retry_at if retry_at > time.time() - _MARGIN else 0.0,
        "exit": {} if ended.get("asked") else ended,
    }


def _state(shown: dict[str, str], *, is_waiting: bool) -> str:
    active = shown.get("ActiveState", "")
    if active == "active":
        return "running"
    if active in ("activating", "reloading"):
        return "backoff" if is_waiting else "starting"
    return "stopping" if active == "deactivating" else "exited"
