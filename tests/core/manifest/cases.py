"""Reads a folder of files as a case of the manifest, and says what came out as text. Run as a program, it writes that text as expected."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from mooring.errors import ManifestInvalid
from mooring.manifest import Manifest, read
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, CheckKind
from mooring.model.release import ProcessType
from mooring.model.review import review_environment

FOLDER = Path(__file__).parents[2] / "cases" / "manifest"
NO_INPUT = ("expected.txt", "expected.json", "asked.json")
NAMES = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())


def outcome(name: str) -> tuple[str, str]:
    """The name of the file that should hold it, and what came out."""
    try:
        return "expected.json", json.dumps(view(reading(name)), indent=2, ensure_ascii=False) + "\n"
    except ManifestInvalid as error:
        return "expected.txt", f"{error}\n"


def inputs(name: str) -> dict[str, bytes]:
    folder = FOLDER / name
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in NO_INPUT)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def reading(name: str) -> Manifest:
    asked_file = FOLDER / name / "asked.json"
    asked = json.loads(asked_file.read_text()) if asked_file.exists() else {}
    environment = EnvironmentId.parse(asked.get("environment", "shop"))
    branch = asked.get("branch", "")
    if branch:
        environment = review_environment(environment.app, branch)
    return read(inputs(name), environment=environment, branch=branch, offered=asked.get("offered"), config=asked.get("config"))


def view(manifest: Manifest) -> dict[str, object]:
    """What somebody would want to see: all that is not as without any file, and where it comes from."""
    shown: dict[str, object] = {"hostnames": list(manifest.hostnames)}
    shown["processes"] = {process.name: _process(process) for process in manifest.processes}
    if manifest.app:
        shown["app"] = manifest.app
    if not manifest.is_complete:
        shown["is_complete"] = False
    shown |= {
        name: value
        for name in ("release_command", "env", "required_variables", "notes")
        if (value := msgspec.to_builtins(getattr(manifest, name)))
    }
    if manifest.secret_files:
        shown["secret_files"] = list(manifest.secret_files)
    if manifest.runtime:
        shown["runtime"] = manifest.runtime.value
    if manifest.assets:
        shown["assets"] = msgspec.to_builtins(manifest.assets)
    if manifest.services:
        shown["services"] = msgspec.to_builtins(manifest.services)
    if manifest.regions:
        shown["regions"] = msgspec.to_builtins(manifest.regions)
    if manifest.generated_variables:
        shown["generated_variables"] = sorted(manifest.generated_variables)
    for name in ("policy", "edge", "build", "review"):
        value = getattr(manifest, name)
        differing = _differing(value, type(value)())
        shown |= {name: differing} if differing else {}
    shown["origins"] = {key: origin for key, origin in manifest.origins.items() if origin != "default"}
    return shown


def _process(process: ProcessType) -> dict[str, object]:
    plain = ProcessType(name=process.name, command="", checks=process.checks)
    checks = {name: _check(check) for name in ("startup", "readiness", "liveness") if (check := getattr(process.checks, name))}
    return _differing(process, plain) | checks


def _check(check: Check) -> str:
    asked = {CheckKind.HTTP: " ".join(check.paths), CheckKind.COMMAND: repr(check.command)}.get(check.kind, "")
    host = f" host {check.host}" if check.host else ""
    return f"{check.kind.value} {asked}{host} every {check.interval:g}s within {check.timeout:g}s, {check.failures} failures".replace(
        "  ", " "
    )


def _differing(value: msgspec.Struct, plain: msgspec.Struct) -> dict[str, object]:
    names = type(value).__struct_fields__
    return {name: msgspec.to_builtins(getattr(value, name)) for name in names if getattr(value, name) != getattr(plain, name)}


def write(name: str) -> None:
    file, text = outcome(name)
    for other in NO_INPUT[:2]:
        (FOLDER / name / other).unlink(missing_ok=True)
    (FOLDER / name / file).write_text(text)


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        write(name)
