"""What an app.json asks for, as a layer of the table's keys: Heroku's env, formation and scripts, Dokku's health checks.

The rest of the file belongs to other tools: it is passed over, and said in a note where somebody could miss it.
Sources: https://devcenter.heroku.com/articles/app-json-schema, https://dokku.com/docs/appendices/file-formats/app-json/
Must not: be strict about what it does not use.
"""

from __future__ import annotations

import msgspec

from mooring.manifest import wording
from mooring.manifest.app_json_health import add_health
from mooring.manifest.files.document import Document, Path
from mooring.manifest.keys.names import PROCESS_NAME, VARIABLE_NAME
from mooring.manifest.kinds.kind import Mismatch
from mooring.manifest.kinds.texts import Name
from mooring.manifest.layers import Found, Layer
from mooring.manifest.problems import Problems
from mooring.manifest.validation import RESERVED_VARIABLE, checked

USED = ("env", "formation", "scripts", "healthchecks")
_DESCRIBING = frozenset(("name", "description", "keywords", "website", "repository", "logo", "success_url", "$schema"))
_UNUSED = {
    "addons": "nothing is provisioned; set the address of a service you have with `mooring secret set`",
    "buildpacks": "the builder is found by the files there are; `build.builder` in mooring.toml names another",
    "stack": "apps run on this machine's own system",
    "image": "apps run on this machine's own system",
    "environments": "write what differs under [environments.NAME] in mooring.toml",
    "cron": "a process type of the app can keep its own schedule",
}
_RELEASE_SCRIPTS: tuple[Path, ...] = (("scripts", "release"), ("scripts", "dokku", "predeploy"))


class AppJson(msgspec.Struct, frozen=True, kw_only=True):
    """`required`: variables that have to be set before a deployment, with their place; those in `generated` may be made up by chance."""

    layer: Layer
    required: dict[str, Found]
    generated: frozenset[str]
    notes: tuple[str, ...]


def read_app_json(document: Document, *, problems: Problems) -> AppJson:
    """What the document asks for; its problems and notes name their lines."""
    reading = _Reading(document, problems=problems)
    reading.variables()
    reading.formation()
    reading.scripts()
    for process, checks in reading.table(("healthchecks",)).items():
        if reading.is_name(process, PROCESS_NAME, ("healthchecks", process)):
            add_health(process, checks, document=document, layer=reading.layer, problems=problems, notes=reading.notes)
    reading.leftovers()
    return AppJson(layer=reading.layer, required=reading.required, generated=frozenset(reading.generated), notes=tuple(reading.notes))


class _Reading:
    def __init__(self, document: Document, *, problems: Problems) -> None:
        self._document = document
        self._problems = problems
        self.layer: Layer = {}
        self.required: dict[str, Found] = {}
        self.generated: set[str] = set()
        self.notes: list[str] = []

    def table(self, path: Path) -> dict[str, object]:
        """The object at a path; empty when there is none, and a problem when something else stands there."""
        values: object = self._document.values
        for part in path:
            values = values.get(part, {}) if isinstance(values, dict) else {}
        if isinstance(values, dict):
            return values
        self._report(path, f"{wording.dotted(path)} is {wording.shown(values)}; it is an object", "write it in braces: { … }")
        return {}

    def variables(self) -> None:
        for name, said in self.table(("env",)).items():
            if name == RESERVED_VARIABLE:
                self._note(("env", name), "env.PORT is not used: each instance gets a port of its own")
            elif self.is_name(name, VARIABLE_NAME, ("env", name)):
                self._variable(name, said)

    def _variable(self, name: str, said: object) -> None:
        path = ("env", name)
        described = said if isinstance(said, dict) else {"value": said}
        required = described.get("required", True)
        if not isinstance(required, bool):
            message = f"env.{name}.required is {wording.shown(required)}; expected is true or false"
            self._report((*path, "required"), message, "write true or false, without quotes")
        elif described.get("value") is not None:
            like = f'"{name}": "…"'
            self._set(f"env.{name}", described["value"], (*path, "value") if isinstance(said, dict) else path, like=like)
        elif required or described.get("generator") == "secret":
            self.required[name] = Found(None, self._document.file, self._document.line(path))
            self.generated |= {name} if described.get("generator") == "secret" else set()

    def formation(self) -> None:
        for process, said in self.table(("formation",)).items():
            path = ("formation", process)
            if not self.is_name(process, PROCESS_NAME, path):
                continue
            if not isinstance(said, dict):
                message = f"{wording.dotted(path)} is {wording.shown(said)}; it is an object"
                self._report(path, message, f'write it like "{process}": {{ "quantity": 1 }}')
            elif said.get("quantity") is not None:
                self._set(f"processes.{process}.count", said["quantity"], (*path, "quantity"), like='"quantity": 1')

    def scripts(self) -> None:
        table = self.table(("scripts",))
        dokku = self.table(("scripts", "dokku")) if "dokku" in table else {}
        for path, command in [
            *((("scripts", name), value) for name, value in table.items() if name != "dokku"),
            *((("scripts", "dokku", name), value) for name, value in dokku.items()),
        ]:
            if path not in _RELEASE_SCRIPTS:
                hint = "what should run before traffic moves is the release command"
                self._note(path, f"{wording.dotted(path)} is not run; {hint}")
            elif "release" in self.layer:
                self._report(path, f"{wording.dotted(path)} is a second release command", "keep one of them, joining the two with &&")
            else:
                self._set("release", command, path, like=f'"{path[-1]}": "python manage.py migrate"')

    def leftovers(self) -> None:
        """Other tools have a file of this name too: where nothing in it is Heroku's, nothing needs to be said."""
        if not any(name in USED or name in _UNUSED for name in self._document.values):
            return
        for name in self._document.values:
            if name in _UNUSED:
                self._note((name,), f"{name} is not used: {_UNUSED[name]}")
            elif name not in _DESCRIBING and name not in USED and len(self.notes) < 20:
                close = wording.suggestion(name, USED, cutoff=0.75)
                self._note((name,), f"{wording.shown(name)} is not used" + (f"; did you mean `{close}`?" if close else ""))

    def is_name(self, text: str, kind: Name, path: Path) -> bool:
        try:
            kind.read(text)
        except Mismatch as mismatch:
            self._report(path, f"{wording.shown(text)} is not {kind.noun}; {mismatch.rule}", mismatch.hint)
            return False
        return True

    def _set(self, key: str, value: object, path: Path, *, like: str) -> None:
        place = (self._document.file, self._document.line(path))
        found = checked(key, value, place=place, said_as=wording.dotted(path), like=like, problems=self._problems)
        if found is not None:
            self.layer[key] = found

    def _report(self, path: Path, message: str, hint: str) -> None:
        self._problems.add(self._document.file, self._document.line(path), key=wording.dotted(path), message=message, hint=hint)

    def _note(self, path: Path, sentence: str) -> None:
        self.notes.append(f"{self._document.file}:{self._document.line(path)}: {sentence}")
