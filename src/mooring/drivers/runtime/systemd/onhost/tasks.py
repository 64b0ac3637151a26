"""One-offs as units that pass: begun at most once, their end on disk. Must not: run one again."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from mooring.drivers.runtime.systemd.onhost import artifacts, fences, journal, ports, record, units
from mooring.drivers.runtime.systemd.onhost.instances import lay_out, refuse_foreign
from mooring.drivers.runtime.systemd.onhost.place import Place

_LAST_LINES = 50
_STOP_WITHIN = 60.0  # seconds; the unit gives its command 5 of them


def unit_name(slug: str) -> str:
    """A dot is in no app's name: it is never an instance's."""
    return f"mooring.task.{slug}.service"


def run(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    spec, slug = asked["spec"], asked["spec"]["slug"]
    folder, unit = place.path("tasks", slug), unit_name(slug)
    place.check()
    with fences.held(place, asked["mark"]):
        if os.path.exists(f"{folder}/begun"):
            return {}
        refuse_foreign(place, unit)
        artifacts.locate(place, spec)
        try:
            record.make_directory(folder)
            lay_out(folder, spec, dict(spec["variables"]))
            record.write(f"{folder}/task.json", {"release": spec["log"]["release"], "artifact": spec["artifact"]})
            text = units.task_unit(
                spec, directory=place.directory, run=folder, program=place.program, python=sys.executable, is_root=place.is_root
            )
            record.make_directory(place.passing_units, 0o755)
            record.write_whole(f"{place.passing_units}/{unit}", text.encode(), 0o644)
            place.clear(unit)
        except BaseException:
            _remove(place, slug)
            raise
        journal.remember(place, unit, spec)
        record.write(f"{folder}/begun", {})  # from now on it counts as begun, whatever happens
        place.order("start", "--no-block", "--", unit)
    return {}


def observe(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """The result is looked for last as well as first: it may be written between two looks."""
    folder, unit = place.path("tasks", asked["slug"]), unit_name(asked["slug"])
    code = record.read(f"{folder}/result.json").get("code")
    state = "ended"
    if code is None:
        state = _state(place, folder, unit)
        code = record.read(f"{folder}/result.json").get("code")
    lines = [] if state == "absent" else journal.last_lines(place, unit, _LAST_LINES)
    return {"state": "ended" if code is not None else state, "code": code, "lines": lines}


def stop(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    unit = unit_name(asked["slug"])
    with fences.held(place, asked["mark"]):
        refuse_foreign(place, unit)
        if _state(place, place.path("tasks", asked["slug"]), unit) == "running":
            place.order("stop", "--", unit, within=_STOP_WITHIN)
    return {}


def forget(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """One-offs that do not run, and what is remembered of the journal: of these releases, or of all."""
    environment, releases = asked["environment"], asked["releases"]
    freed = 0
    with fences.held(place, asked["mark"]):
        folder = place.path("tasks")
        for slug in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            task = record.read(f"{folder}/{slug}/task.json")
            is_asked = slug.startswith(f"{environment}@") and (releases is None or task.get("release") in releases)
            if is_asked and _state(place, f"{folder}/{slug}", unit_name(slug)) != "running":
                freed += artifacts.size_of(f"{folder}/{slug}")
                _remove(place, slug)
        if asked["volumes"]:
            ports.give_back(place, environment)
        for volume in place.volumes(environment) if asked["volumes"] else ():
            freed += 0 if os.path.islink(volume) else artifacts.size_of(volume)
            _discard(volume)
        return {"freed": freed + journal.forget(place, environment, releases)}


def _discard(path: str) -> None:
    if os.path.islink(path):
        record.remove(path)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _state(place: Place, folder: str, unit: str) -> str:
    if not os.path.exists(f"{folder}/begun"):
        return "absent"
    state = place.shown([unit], "ActiveState").get(unit, {}).get("ActiveState", "")
    return "running" if state in ("active", "activating", "deactivating", "reloading") else "lost"


def _remove(place: Place, slug: str) -> None:
    record.remove(f"{place.passing_units}/{unit_name(slug)}")
    place.clear(unit_name(slug))
    shutil.rmtree(place.path("tasks", slug), ignore_errors=True)
