"""app.json of Heroku and Dokku, so that mooring.toml can stand alone; Mooring reads app.json as it is, too.

Sources: https://devcenter.heroku.com/articles/app-json-schema, https://dokku.com/docs/appendices/file-formats/app-json/
Must not: provision anything.
"""

from __future__ import annotations

from mooring.manifest.keys.health import CHECKS
from mooring.manifest.moving.health import add_pace
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.process_names import process_names
from mooring.manifest.moving.quantities import shell_line, whole
from mooring.manifest.moving.reasons import NO_ADDONS, NO_IMAGES
from mooring.manifest.moving.translation import Explanations, Outcome, Told
from mooring.manifest.moving.variables import add_secret, add_variable

_DESCRIBES = Told(Outcome.NOT_MAPPED, "it describes the app to people; Mooring shows no such thing", "keep it in the README")
_ASKED_OFTEN = Told(
    Outcome.NEEDLESS,
    "startup is asked five times a second until deploy.healthy_deadline",
    "set deploy.healthy_deadline where that is short",
)
_NO_SCRIPT = Told(Outcome.NOT_MAPPED, "no script runs at this moment", "what should run before traffic moves is the release command")
_NOT_ASKED = Told(
    Outcome.NOT_MAPPED, "a check asks one thing: whether the answer is well", "let the page itself answer 500 where it is not"
)
_OF_A_VARIABLE = Told(Outcome.NEEDLESS, "it describes a variable that is dealt with here")

TOLD: Explanations = {
    **dict.fromkeys(("description", "keywords", "website", "repository", "logo", "success_url", "$schema"), _DESCRIBES),
    "addons": NO_ADDONS,
    "buildpacks": Told(Outcome.NEEDLESS, "the builder is found by the files there are", "build.builder names another"),
    "stack": Told(Outcome.NOT_MAPPED, "apps run on the machine's own system"),
    "image": NO_IMAGES,
    "environments": Told(Outcome.NOT_MAPPED, "environments differ in mooring.toml itself", "write what differs below [environments.NAME]"),
    "scripts.*": _NO_SCRIPT,
    "cron": Told(
        Outcome.NOT_YET, "nothing is run by the clock", "let a process type with single = true keep the schedule, or the machine's cron"
    ),
    "scripts.postdeploy": _NO_SCRIPT,
    "scripts.pr-predestroy": _NO_SCRIPT,
    "scripts.test": _NO_SCRIPT,
    "scripts.test-setup": _NO_SCRIPT,
    "scripts.dokku.*": _NO_SCRIPT,
    "env.*.description": _OF_A_VARIABLE,
    "env.*.required": _OF_A_VARIABLE,
    "env.*.generator": _OF_A_VARIABLE,
    "formation.*.size": Told(Outcome.NOT_MAPPED, "there are no sizes of machines to rent", "write memory below [processes.NAME]"),
    "formation.*.max_parallel": Told(Outcome.NOT_MAPPED, "how many start at once is one rule for the app", "set deploy.max_surge"),
    "formation.*.autoscaling": Told(Outcome.NOT_YET, "nothing is scaled by itself", "`mooring scale web=3`"),
    "formation.*.service": Told(Outcome.NOT_MAPPED, "no service lies between", "the edge routes to a process type by its path"),
    "healthchecks.*.*.type": Told(Outcome.NEEDLESS, "the check's own table says which it is"),
    "healthchecks.*.*.name": Told(Outcome.NEEDLESS, "a check is called by its kind"),
    "healthchecks.*.*": _NOT_ASKED,
    "healthchecks.*.*.attempts": _ASKED_OFTEN,
    "healthchecks.*.*.wait": _ASKED_OFTEN,
    "healthchecks.*.*.initialDelay": _ASKED_OFTEN,
    "healthchecks.*.*.uptime": Told(Outcome.NOT_MAPPED, "how long an instance must be well is one rule", "set deploy.min_healthy_time"),
}


def translate(ledger: Ledger) -> None:
    root = ledger.root
    name = root.at("name")
    if name is not None and name.text:
        ledger.maps(name, "app", name.text)
    for variable in _parts(root.at("env")):
        _variable(ledger, variable)
    for path in (("scripts", "release"), ("scripts", "dokku", "predeploy")):
        script = root.at(*path)
        if script is not None and script.text:
            ledger.maps(script, "release", script.text)
    formation, checks = _parts(root.at("formation")), _parts(root.at("healthchecks"))
    theirs = [part.name for part in (*formation, *checks)]
    names = process_names(theirs, main="web" if "web" in theirs else None)
    for process in formation:
        quantity = process.at("quantity")
        if quantity is not None:
            ledger.maps(quantity, f"processes.{names[process.name]}.count", whole(quantity.text))
    for process in checks:
        _checks(ledger, process, names[process.name])


def _variable(ledger: Ledger, node: Node) -> None:
    """A text, or a table with a value, or only the name of one that has to be set."""
    if node.table is None:
        add_variable(ledger, node, node.name, node.text)
        return
    value = node.at("value")
    if value is not None and value.text is not None:
        add_variable(ledger, value, node.name, value.text)
    elif node.at("generator") is not None:
        add_secret(ledger, node, node.name)
    else:
        add_variable(ledger, node, node.name, None)


def _checks(ledger: Ledger, node: Node, process: str) -> None:
    seen: set[str] = set()
    for check in node.items or ():
        said = check.at("type")
        kind = (said.text if said else None) or "startup"
        if kind in CHECKS and kind not in seen:
            seen.add(kind)
            _check(ledger, check, f"processes.{process}.health.{kind}", is_startup=kind == "startup", is_routed=process == "web")


def _check(ledger: Ledger, check: Node, table: str, *, is_startup: bool, is_routed: bool) -> None:
    command, path, listening = check.at("command"), check.at("path"), check.at("listening")
    if command is not None:
        words = command.texts()
        ledger.maps(command, f"{table}.command", shell_line(words) if words else command.text or "")
    elif path is not None and is_routed:
        ledger.maps(path, f"{table}.path", path.text or "")
    elif listening is not None and listening.is_true and is_routed:
        ledger.maps(listening, f"{table}.tcp", True)
    add_pace(ledger, check.at("timeout"), f"{table}.timeout")
    attempts = check.at("attempts")
    if not is_startup:
        add_pace(ledger, check.at("wait"), f"{table}.interval")
        if attempts is not None:
            ledger.maps(attempts, f"{table}.failures", whole(attempts.text))


def _parts(node: Node | None) -> tuple[Node, ...]:
    return tuple((node.table or {}).values()) if node else ()
