"""From an app's files to one stack of layers, lowest first:

what the builder offers, app.json, Procfile and .python-version, mooring.toml, what `[review]` asks for review apps,
`[environments.NAME]`. Below all lie the table's defaults; above all what is set by command, whose values are not known here.
Must not: open a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from mooring.manifest import wording
from mooring.manifest.app_json import AppJson, read_app_json
from mooring.manifest.files.document import Document
from mooring.manifest.files.json import read_json
from mooring.manifest.files.procfile import RELEASE, Line, read_procfile
from mooring.manifest.files.python_version import read_python_version
from mooring.manifest.files.toml import read_toml
from mooring.manifest.layers import BUILDER, Found, Layer, Layers
from mooring.manifest.problems import Problems
from mooring.manifest.validation import TomlLayers, layers_of
from mooring.model.environment import PRODUCTION, EnvironmentId
from mooring.model.names import AppName
from mooring.model.review import is_review_of

MOORING_TOML = "mooring.toml"
PROCFILE = "Procfile"
APP_JSON = "app.json"
PYTHON_VERSION = ".python-version"
FILES = (MOORING_TOML, PROCFILE, APP_JSON, PYTHON_VERSION)


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found. `is_settled`: the Procfile names process types, so a builder's offer does not matter.

    `misspelt` is a file that was probably meant to be the Procfile, or empty.
    """

    app: AppName | None
    layers: Layers
    app_json: AppJson
    is_settled: bool
    misspelt: str
    notes: tuple[str, ...]


def sources_of(
    files: Mapping[str, bytes], *, environment: EnvironmentId, branch: str, offered: Mapping[str, str], problems: Problems
) -> Sources:
    """Read every file; what is wrong in one does not keep the others from being read."""
    toml = toml_layers(files, problems=problems)
    upper = _upper(toml, environment, branch=branch)
    root = _root(upper)
    procfile_name = _within(files, root, PROCFILE)
    procfile = read_procfile(files, procfile_name, problems=problems)
    app_json = _app_json(files, _within(files, root, APP_JSON), problems=problems)
    is_settled = any(name != RELEASE for name in procfile)
    lower = [
        {} if is_settled else {f"processes.{name}.command": Found(command, BUILDER) for name, command in offered.items()},
        app_json.layer,
        _procfile_layer(procfile, file=procfile_name),
        _python_layer(files, _within(files, root, PYTHON_VERSION), upper=upper, problems=problems),
    ]
    _report_two_release_commands(lower, upper, problems=problems)
    return Sources(
        app=app_of(toml),
        layers=Layers([*lower, *upper]),
        app_json=app_json,
        is_settled=is_settled,
        misspelt=_misspelt(files, PROCFILE),
        notes=(*app_json.notes, *_toml_notes(files, toml, environment, is_review=is_review_of(environment, branch))),
    )


def root_of(files: Mapping[str, bytes], *, environment: EnvironmentId, branch: str = "") -> str:
    """The folder that `build.root` names, without slashes at its ends, or empty: its files belong to `read` too.

    Whatever is wrong with mooring.toml, `read` will say it; nothing is raised here.
    """
    return _root(_upper(toml_layers(files, problems=Problems()), environment, branch=branch))


def toml_layers(files: Mapping[str, bytes], *, problems: Problems) -> TomlLayers:
    """What mooring.toml says; nothing when it cannot be read (then there is a problem)."""
    document = read_toml(files, MOORING_TOML, problems=problems)
    return layers_of(document, problems=problems) if document else TomlLayers({}, {})


def app_of(toml: TomlLayers) -> AppName | None:
    """The app's name where mooring.toml says one."""
    found = toml.top.get("app")
    return AppName(str(found.value)) if found else None


def _upper(toml: TomlLayers, environment: EnvironmentId, *, branch: str) -> list[Layer]:
    """The hostnames at the top are production's alone: two environments must never claim one name."""
    name = environment.environment
    top = {key: found for key, found in toml.top.items() if key != "hostnames" or name == PRODUCTION}
    return [top, toml.review if is_review_of(environment, branch) else {}, toml.environments.get(name, {})]


def _root(upper: Sequence[Layer]) -> str:
    return next((str(layer["build.root"].value).strip("/") for layer in reversed(upper) if "build.root" in layer), "")


def _within(files: Mapping[str, bytes], root: str, name: str) -> str:
    """The file below the app's own folder, where there is one."""
    below = f"{root}/{name}"
    return below if root and below in files else name


def _app_json(files: Mapping[str, bytes], name: str, *, problems: Problems) -> AppJson:
    document = read_json(files, name, problems=problems)
    return read_app_json(document or Document(file=name, values={}, lines={}), problems=problems)


def _procfile_layer(lines: Mapping[str, Line], *, file: str) -> Layer:
    keys = {name: RELEASE if name == RELEASE else f"processes.{name}.command" for name in lines}
    return {keys[name]: Found(line.command, file, line.number) for name, line in lines.items()}


def _python_layer(files: Mapping[str, bytes], name: str, *, upper: Iterable[Layer], problems: Problems) -> Layer:
    """Not even looked at where mooring.toml says the version: that is the way out when the file is another tool's."""
    if any("build.python_version" in layer for layer in upper):
        return {}
    version = read_python_version(files, name, problems=problems)
    return {"build.python_version": Found(version[0], name, version[1])} if version else {}


def _report_two_release_commands(lower: Iterable[Layer], upper: Iterable[Layer], *, problems: Problems) -> None:
    """A script for Dokku and a release command for Heroku: only one can run, and leaving one out could lose a migration."""
    said = [layer[RELEASE] for layer in lower if RELEASE in layer]
    if len(said) == 2 and not any(RELEASE in layer for layer in upper):
        message = f"there are two release commands: this one and that at {said[0].origin}; Mooring runs one"
        hint = 'say in mooring.toml what should run: release = "first && second"'
        problems.add(said[1].file, said[1].line, key=RELEASE, message=message, hint=hint)


def _toml_notes(files: Mapping[str, bytes], toml: TomlLayers, environment: EnvironmentId, *, is_review: bool) -> list[str]:
    notes: list[str] = []
    app = toml.top.get("app")
    if app and app.value != environment.app:
        notes.append(f"{app.origin}: the file is for the app {app.value}, and is read for {environment.app}")
    close = wording.suggestion(environment.environment, toml.environments)
    is_default = environment.environment != PRODUCTION and not is_review
    if environment.environment not in toml.environments and close and is_default:
        notes.append(f"{MOORING_TOML} has nothing for the environment {environment.environment}, but for {close}")
    hostnames = toml.top.get("hostnames")
    if hostnames and is_default and "hostnames" not in toml.environments.get(environment.environment, {}):
        notes.append(f"{hostnames.origin}: hostnames at the top are production's; {environment.environment} gets its default")
    meant = _misspelt(files, MOORING_TOML)
    if meant:
        notes.append(f"{wording.shown(meant)} is not read; did you mean {MOORING_TOML}?")
    return notes


def _misspelt(files: Mapping[str, bytes], name: str) -> str:
    """A file of nearly that name, when there is none of that name."""
    near = [file for file in files if file.lower() in (name.lower(), f"{name.lower()}.txt")]
    return near[0] if near and name not in files else ""
