"""heroku.yml. Source: https://devcenter.heroku.com/articles/build-docker-images-heroku-yml

Must not: build an image.
"""

from __future__ import annotations

from mooring.manifest.files.procfile import RELEASE
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.process_names import process_names
from mooring.manifest.moving.quantities import shell_line
from mooring.manifest.moving.reasons import NO_ADDONS, NO_IMAGES
from mooring.manifest.moving.translation import Explanations, Outcome, Told
from mooring.manifest.moving.variables import add_build_variable, add_variable

TOLD: Explanations = {
    "setup.addons": NO_ADDONS,
    "setup.addons-plan": NO_ADDONS,
    "build.docker": NO_IMAGES,
    "build.packages": Told(Outcome.NOT_MAPPED, "packages of the system are not installed", "install them on the machine, once"),
    "build.languages": Told(Outcome.NEEDLESS, "the builder is found by the files there are", "build.builder names another"),
    "run.*.image": NO_IMAGES,
    "release.image": NO_IMAGES,
}


def translate(ledger: Ledger) -> None:
    root = ledger.root
    for variable in _parts(root.at("setup", "config")):
        add_variable(ledger, variable, variable.name, variable.text)
    for variable in _parts(root.at("build", "config")):
        add_build_variable(ledger, variable, variable.name, variable.text)
    _command(ledger, root.at(RELEASE), RELEASE)
    run = root.at("run")
    names = process_names((process.name for process in _parts(run)), main="web" if root.at("run", "web") else None)
    for process in _parts(run):
        _command(ledger, process, f"processes.{names[process.name]}.command")


def _command(ledger: Ledger, node: Node | None, key: str) -> None:
    """A line, or a table whose `command` is a list of words or of one line."""
    if node is None:
        return
    if node.text:
        ledger.maps(node, key, node.text)
        return
    command = node.at("command")
    words = command.texts() if command else None
    if command is not None and (command.text or words):
        ledger.maps(command, key, command.text or (words[0] if words and len(words) == 1 else shell_line(words or [])))


def _parts(node: Node | None) -> tuple[Node, ...]:
    return tuple((node.table or {}).values()) if node else ()
