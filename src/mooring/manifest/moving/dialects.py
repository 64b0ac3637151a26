"""Whose file it is, and the way from it to a translation. Must not: open a file; callers pass the contents."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

from mooring.errors import InvalidInput, ManifestInvalid
from mooring.manifest.files.procfile import RELEASE, read_procfile
from mooring.manifest.moving import app_json, compose, fly, heroku, kamal, procfile
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.plain_trees import json_tree, toml_tree
from mooring.manifest.moving.translation import Explanations, Setting, Translation
from mooring.manifest.moving.written import written
from mooring.manifest.moving.yaml_tree import read_yaml
from mooring.manifest.problems import Problems
from mooring.manifest.processes import MOST, WEB
from mooring.manifest.reading import read
from mooring.manifest.sources import MOORING_TOML, PROCFILE
from mooring.manifest.wording import shown
from mooring.model.environment import EnvironmentId

Reader = Callable[..., Node | None]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """`places`: where its file usually lies, best first. `file_name`: a pattern of its names. `signs`: keys at the top that tell it."""

    name: str
    places: tuple[str, ...]
    file_name: str
    signs: frozenset[str]
    reads: Reader
    translate: Callable[[Ledger], None]
    told: Explanations


DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            name="compose",
            places=("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"),
            file_name=r"(?:docker-)?compose.*\.ya?ml",
            signs=frozenset(("services",)),
            reads=read_yaml,
            translate=compose.translate,
            told=compose.TOLD,
        ),
        Dialect(
            name="kamal",
            places=("config/deploy.yml", "config/deploy.yaml"),
            file_name=r"deploy(?:\..+)?\.ya?ml",
            signs=frozenset(("servers", "service", "registry", "accessories", "proxy")),
            reads=read_yaml,
            translate=kamal.translate,
            told=kamal.TOLD,
        ),
        Dialect(
            name="fly",
            places=("fly.toml",),
            file_name=r"fly(?:\..+)?\.toml",
            signs=frozenset(("app", "http_service", "services", "primary_region", "vm", "mounts")),
            reads=toml_tree,
            translate=fly.translate,
            told=fly.TOLD,
        ),
        Dialect(
            name="heroku",
            places=("heroku.yml",),
            file_name=r"heroku\.ya?ml",
            signs=frozenset(("setup", "build", "run")),
            reads=read_yaml,
            translate=heroku.translate,
            told=heroku.TOLD,
        ),
        Dialect(
            name="app.json",
            places=("app.json",),
            file_name=r"app\.json",
            signs=frozenset(("env", "formation", "scripts", "healthchecks", "addons", "buildpacks")),
            reads=json_tree,
            translate=app_json.translate,
            told=app_json.TOLD,
        ),
        Dialect(
            name="procfile",
            places=(PROCFILE,),
            file_name=r"Procfile(?:\..+)?",
            signs=frozenset(),
            reads=procfile.read_lines,
            translate=procfile.translate,
            told=procfile.TOLD,
        ),
    )
}
_BY_ENDING = {
    r"\.ya?ml": ("compose", "kamal", "heroku"),
    r"\.toml": ("fly",),
    r"\.json": ("app.json",),
}


def dialect_of(files: Mapping[str, bytes], name: str) -> Dialect:
    """By the file's name, else by the keys at its top. Raises InvalidInput, or ManifestInvalid where it cannot be read."""
    last = name.rpartition("/")[2]
    if last == MOORING_TOML:
        raise InvalidInput(f"{MOORING_TOML} is Mooring's own file already", hint="`mooring plan` shows what it comes to")
    for dialect in DIALECTS.values():
        if re.fullmatch(dialect.file_name, last):
            return dialect
    candidates = next((names for ending, names in _BY_ENDING.items() if re.search(rf"{ending}\Z", last)), ("procfile",))
    root = _tree(DIALECTS[candidates[0]], files, name)
    scores = {candidate: len(DIALECTS[candidate].signs & set(root.table or {})) for candidate in candidates}
    best = max(candidates, key=lambda candidate: scores[candidate])
    if not scores[best] and DIALECTS[best].signs:
        known = ", ".join(place for dialect in DIALECTS.values() for place in dialect.places[:1])
        raise InvalidInput(f"nothing in {shown(name)} tells whose file it is", hint=f"what can be translated: {known}, under any name")
    return DIALECTS[best]


def translate(files: Mapping[str, bytes], name: str, *, app: str = "") -> Translation:
    """What the file `name` comes to in mooring.toml. `app`: the name to take instead of the file's.

    `files`: its content, and a Procfile that lies at the app's top, by name. Raises InvalidInput, or ManifestInvalid with every problem.
    """
    dialect = dialect_of(files, name)
    root = _tree(dialect, files, name)
    ledger = Ledger(root)
    dialect.translate(ledger)
    ledger.closes(dialect.told)
    if app and "app" in ledger.settings and ledger.settings["app"].value != app:
        ledger.takes_back("app", f"the app is called {app} here, as was asked", instead="")
    _check_number(ledger, name)
    _draft(ledger, elsewhere=_in_procfile(files) if dialect.name == "app.json" else frozenset())
    text = _settled(ledger, name, app=app)
    own = ledger.settings.get("app")
    return Translation(
        file=name, dialect=dialect.name, app=app or (str(own.value) if own else ""), toml=text, rows=ledger.rows, notes=_notes(ledger, name)
    )


def _tree(dialect: Dialect, files: Mapping[str, bytes], name: str) -> Node:
    problems = Problems()
    root = dialect.reads(files, name, problems=problems)
    problems.raise_any()
    assert root is not None
    if root.table is None:
        problems.add(name, root.line, message="the file holds no table of keys", hint="give the file that the app is deployed with")
        problems.raise_any()
    return root


def _check_number(ledger: Ledger, name: str) -> None:
    """Raises ManifestInvalid where there are more process types than can run."""
    firsts = {key.split(".")[1]: setting for key, setting in reversed(ledger.settings.items()) if key.startswith("processes.")}
    if len(firsts) > MOST:
        problems = Problems()
        line = sorted(setting.line for setting in firsts.values())[MOST]
        message = f"there are {len(firsts)} process types; at most {MOST} can run"
        problems.add(name, line, key="processes", message=message, hint="give a file that describes one app")
        problems.raise_any()


def _in_procfile(files: Mapping[str, bytes]) -> frozenset[str]:
    return frozenset(name for name in read_procfile(files, PROCFILE, problems=Problems()) if name != RELEASE)


def _draft(ledger: Ledger, *, elsewhere: frozenset[str]) -> None:
    """A process type without a command would be refused: what is known of it is written as comments. `web` has the builder's offer."""
    processes = dict.fromkeys(key.split(".")[1] for key in ledger.settings if key.startswith("processes."))
    for process in processes:
        if process != WEB and process not in elsewhere and f"processes.{process}.command" not in ledger.settings:
            ledger.drafts(process, f"nothing here says what {process} runs")


def _settled(ledger: Ledger, name: str, *, app: str) -> str:
    """The text, without what the manifest's own reader refuses beside the rest: two settings may contradict each other."""
    while True:
        chosen = {"app": Setting(key="app", value=app, source="", line=0)} if app else {}
        text, keys = written({**ledger.settings, **chosen}.values(), ledger.rows, file=name)
        refused = _refused(text, keys, ledger)
        if not refused:
            return text
        for key, why in refused.items():
            ledger.takes_back(key, why)


def _refused(text: str, keys: Mapping[int, str], ledger: Ledger) -> dict[str, str]:
    """The guilty settings, with what the reader says of them."""
    names = {key.split(".")[1] for key in ledger.settings if key.startswith("processes.")}
    try:
        read({MOORING_TOML: text.encode()}, environment=EnvironmentId.parse("app"), offered=dict.fromkeys({WEB, *names}, "true"))
    except ManifestInvalid as error:
        said = [(keys.get(getattr(problem, "line", 0)), str(getattr(problem, "message", ""))) for problem in error.problems]
        found = {key: why for key, why in said if key in ledger.settings and key is not None}
        assert found, f"the file is refused: {error}"
        return found
    return {}


def _notes(ledger: Ledger, name: str) -> tuple[str, ...]:
    if f"processes.{WEB}.command" in ledger.settings:
        return ()
    return (f"nothing in {name} says what web runs: a Procfile's line is taken, else what the builder offers",)
