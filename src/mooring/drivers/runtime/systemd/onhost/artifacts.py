"""Artifacts that were delivered to this host: `artifacts/ID` with `ID.json` beside it, written last; dependencies once for all.

An app sees each under the path that it has on the controller's machine. Must not: remove what runs, or what was not delivered.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from mooring.drivers.runtime.systemd.onhost import fences, record
from mooring.drivers.runtime.systemd.onhost.place import Place

_SPARE = 50_000_000  # bytes that stay free: a full disk stops more than this


def offer(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """What of it has to be sent. Raises capacity-exceeded, and invalid-input where it could not run here."""
    with fences.held(place, asked["mark"]):
        manifest = record.read(place.path("artifacts", f"{asked['id']}.json"))
        if manifest:
            return {"total": manifest["total"], "wanted": []}
        if not place.is_root and (asked["dependencies"] or asked["needs"]):
            hint = "let Mooring reach the host as root, or build the app so that it holds all it needs"
            raise record.Failed("invalid-input", f"the artifact {asked['id']} runs only under the paths where it was built", hint)
        lacking = [path for path in asked["needs"] if not os.path.exists(path)]
        if lacking:
            hint = "install the same interpreter at the same place, or deploy an app that brings its own"
            raise record.Failed(
                "invalid-input", f"the artifact {asked['id']} needs {', '.join(lacking[:3])}, which is not on this host", hint
            )
        wanted = [name for name in asked["sizes"] if not os.path.lexists(_tree(place, name))]
        needed = sum(asked["sizes"][name] for name in wanted) * 2  # what arrives, and what is made of it
        record.make_directory(place.path("artifacts"))
        room = os.statvfs(place.path("artifacts"))
        free = max(room.f_bavail * room.f_frsize - _SPARE, 0)
        if needed > free:
            message = f"{asked['id']} needs {needed} bytes, and {free} are free"
            raise record.Failed("capacity-exceeded", message, "free some disk space, or deploy to another host")
        record.remove(_arriving(place, asked["id"]))
        return {"total": 0, "wanted": wanted}


def receive(place: Place, asked: dict[str, Any], content: BinaryIO) -> dict[str, Any]:
    """One piece of the tar file, at its place."""
    descriptor = os.open(_arriving(place, asked["id"]), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(asked["offset"])
        file.truncate()
        shutil.copyfileobj(content, file, 1 << 20)
        return {"size": file.tell()}


def unpack(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """Beside its place, synced, then renamed; the manifest last."""
    arriving = _arriving(place, asked["id"])
    with fences.held(place, asked["mark"]):
        beside = place.path("artifacts", f"{asked['id']}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        try:
            record.make_directory(beside)
            with tarfile.open(arriving, "r:") as archive:
                archive.extraction_filter = staticmethod(_as_it_is)  # the controller made it; older versions of Python have no such choice
                archive.extractall(beside)
            os.sync()
            record.make_directory(place.path("dependencies"))
            for name in asked["wanted"]:
                if os.path.lexists(f"{beside}/{name}") and not os.path.lexists(_tree(place, name)):
                    os.rename(f"{beside}/{name}", _tree(place, name))
            record.write(place.path("artifacts", f"{asked['id']}.json"), asked["manifest"])
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            record.remove(arriving)
    return {}


def locate(place: Place, spec: dict[str, Any]) -> None:
    """Puts into `spec` where its artifact lies here: as what is shown under other paths to root's units, else in place of those paths."""
    spec["shown"] = [[spec["directory"], spec["directory"]]]
    if not spec["artifact"]:
        if not os.path.isdir(spec["directory"]):
            raise record.Failed("unavailable", f"there is no directory {spec['directory']}")
        return
    manifest = record.read(place.path("artifacts", f"{spec['artifact']}.json"))
    if not manifest:
        raise record.Failed("unavailable", f"the artifact {spec['artifact']} was not delivered to this host", "deliver it first")
    shown = manifest["shown"]
    if place.is_root:
        spec["shown"] = [[_tree(place, name), path] for name, path in shown.items()]
        return
    here, there = _tree(place, "artifact", spec["artifact"]), shown[f"artifact-{spec['artifact']}"]
    spec["directory"] = spec["directory"].replace(there, here, 1)
    for name in spec["artifact_variables"]:
        if name in spec["variables"]:
            spec["variables"][name] = spec["variables"][name].replace(there, here)


def reclaim(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    with fences.held(place, asked["mark"]):
        kept = {*asked["keep"], *_in_use(place)}
        freed, needed = 0, set()
        for name, manifest in _manifests(place):
            if name in kept:
                needed.update(manifest["shown"])
                continue
            freed += size_of(_tree(place, "artifact", name))
            record.remove(place.path("artifacts", f"{name}.json"))
            _remove(_tree(place, "artifact", name))
        folder = place.path("dependencies")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if f"dependency-{name}" not in needed:
                freed += size_of(f"{folder}/{name}")
                _remove(f"{folder}/{name}")
    return {"freed": freed}


def holdings(place: Place, asked: dict[str, Any]) -> dict[str, Any]:
    """What was delivered and is there, and the volumes of an environment."""
    folder = place.path("artifacts")
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    trees = [name for name in names if os.path.isdir(f"{folder}/{name}") and not name.endswith(".partial")]
    volumes = {os.path.basename(path) for path in place.volumes(asked["environment"])}
    return {"artifacts": sorted(trees), "volumes": sorted(volumes)}


def size_of(path: str) -> int:
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size if os.path.lexists(path) else 0
    return sum(os.lstat(f"{folder}/{name}").st_size for folder, _, names in os.walk(path) for name in names)


def _as_it_is(member: tarfile.TarInfo, _path: str) -> tarfile.TarInfo:
    return member


def _tree(place: Place, name: str, identity: str = "") -> str:
    """`artifact-ID` or `dependency-HASH`, as the tar file and the manifest call them."""
    kind, _, rest = (name, "", identity) if identity else name.partition("-")
    return place.path({"artifact": "artifacts", "dependency": "dependencies"}[kind], rest)


def _arriving(place: Place, identity: str) -> str:
    return place.path("artifacts", f"{identity}.arriving")


def _manifests(place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    folder = place.path("artifacts")
    for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if file.endswith(".json") and (manifest := record.read(f"{folder}/{file}")):
            yield file[: -len(".json")], manifest


def _in_use(place: Place) -> Iterator[str]:
    for folder, name in (("run", "instance"), ("tasks", "task"), ("sessions", "session")):
        for slug in os.listdir(place.path(folder)) if os.path.isdir(place.path(folder)) else ():
            yield record.read(f"{place.path(folder)}/{slug}/{name}.json").get("artifact", "")


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        record.remove(path)
