"""A Compose file. Source: https://docs.docker.com/reference/compose-file/

Services that are built from the app's source become process types; databases and whatever else runs from an image of others do not.
Must not: read another file, or the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from mooring.manifest.moving.compose_reasons import EXTENSION, OTHER_PROGRAMS, TOLD
from mooring.manifest.moving.health import STARTUP_HAS_A_DEADLINE, add_command, add_pace
from mooring.manifest.moving.images import add_image
from mooring.manifest.moving.interpolation import interpolated
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.process_names import process_names
from mooring.manifest.moving.quantities import exec_line, on_given_port, processors, seconds, shell_line, size, whole
from mooring.manifest.moving.reasons import NO_ACCESSORIES
from mooring.manifest.moving.translation import Outcome, Told
from mooring.manifest.moving.variables import add_build_variable, add_variable
from mooring.manifest.moving.waits import add_deadline, add_kill_timeout
from mooring.manifest.processes import WEB
from mooring.manifest.validation import RESERVED_VARIABLE
from mooring.manifest.wording import joined, shown
from mooring.model.policy import Policy

__all__ = ["TOLD", "translate"]

_PORT = re.compile(r"(?:\A|:)(\d{1,5})(?:-\d{1,5})?(?:/(?:tcp|udp))?\Z")
_SAFE_FOLDER = re.compile(r"\A[^$/][^$]*\Z")
_PUBLISHED = "requests come through the edge, under the app's name; {port} is $PORT now, which differs from instance to instance"
_NO_PORT = Told(
    Outcome.NEEDLESS,
    "requests come through the edge, under the app's name; each instance gets a port of its own",
    "let the app listen on $PORT",
)
_QUOTES = Told(Outcome.NOT_MAPPED, "its quotes are not closed", "write command below its process type")
_INHERITED = Told(Outcome.NOT_MAPPED, "it is empty: what the image says is run", "write command below its process type")


class _Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service of the app; `process` is what it is called here, `port` the one it listens on in its container, if that is known.

    `neighbours`: the names under which services reach each other there.
    """

    node: Node
    process: str
    port: str
    neighbours: tuple[str, ...]

    @property
    def table(self) -> str:
        return f"processes.{self.process}"

    @property
    def is_routed(self) -> bool:
        return self.process == WEB


def translate(ledger: Ledger) -> None:
    for extension in ledger.root.parts:
        if extension.name.startswith("x-"):
            ledger.tells(extension, EXTENSION)
    name = ledger.root.at("name")
    if name is not None and name.text and _known(ledger, name) is not None:
        ledger.maps(name, "app", name.text)
    services = _services(ledger)
    for service in services:
        _translate(ledger, service)
    add_kill_timeout(ledger, [grace for service in services if (grace := service.node.at("stop_grace_period"))])


def _services(ledger: Ledger) -> list[_Service]:
    """The services of the app; a row for each of the others."""
    services = ledger.root.at("services")
    theirs = [node for node in (services.parts if services else ()) if node.table]
    images = {image.text for node in theirs if node.at("build") and (image := node.at("image"))}
    own = [node for node in theirs if _is_own(node, images)] or [node for node in theirs if _may_be_own(node)]
    folder = _folder(own[0]) if own else ""
    main = _main(own)
    if main is not None:
        folder = _folder(main)
    here = [node for node in own if _folder(node) in (folder, None)]
    for node in theirs:
        if node not in own:
            ledger.tells(node, NO_ACCESSORIES)
        elif node not in here:
            why = f"it is built from another folder than {'web' if main else 'the first'}, so it is an app of its own"
            ledger.tells(node, Told(Outcome.NOT_MAPPED, why, f"`mooring init` in {shown(_folder(node))}"))
    names = process_names((node.name for node in here), main=main.name if main else None)
    neighbours = tuple(node.name for node in theirs)
    return [_Service(node=node, process=names[node.name], port=_port(node), neighbours=neighbours) for node in here]


def _is_own(node: Node, images: set[str | None]) -> bool:
    """Built from the source, or run from an image that another service builds, or a command over a folder of the source."""
    image, mounts = node.at("image"), node.at("volumes")
    if node.at("build") or node.at("extends"):
        return True
    if image is not None and image.text in images:
        return True
    has_source = any((mount.text or "").startswith((".:", "./:")) for mount in ((mounts.items or ()) if mounts else ()))
    return node.at("command") is not None and (image is None or has_source)


def _may_be_own(node: Node) -> bool:
    """Where nothing is built: a command over an image that is none of a database, a cache, a proxy and the like."""
    image = node.at("image")
    name = (image.text or "") if image else ""
    return node.at("command") is not None and name.rpartition("/")[2].partition(":")[0].partition("@")[0] not in OTHER_PROGRAMS


def _folder(node: Node) -> str | None:
    """What it is built from, relative to the file; None where it is not built."""
    build = node.at("build")
    if build is None:
        return None
    context = build.text if build.text is not None else (found.text if (found := build.at("context")) else ".")
    return (context or ".").removeprefix("./").rstrip("/") or "."


def _main(own: Iterable[Node]) -> Node | None:
    """The one that gets requests: called web, else the first with ports, else the first with a port for others to reach."""
    own = list(own)
    called = [node for node in own if node.name == WEB]
    with_ports = [node for key in ("ports", "expose") for node in own if node.at(key)]
    return next(iter([*called, *with_ports]), None)


def _port(node: Node) -> str:
    """The first port in the container."""
    for key in ("ports", "expose"):
        ports = node.at(key)
        for port in (ports.items or ()) if ports else ():
            target = port.at("target") or port
            found = _PORT.search(interpolated(target.text or "").text or "")
            if found:
                return found[1]
    return ""


def _known(ledger: Ledger, node: Node) -> str | None:
    """The text with its defaults; None, and a row, where it depends on something that is not known."""
    found = interpolated(node.text or "")
    if found.text is None:
        ledger.tells(node, _depends(found.unset))
    return found.text


def _depends(names: tuple[str, ...]) -> Told:
    what = f"it depends on {joined(f'${{{name}}}' for name in names)}, which has no value here" if names else "a $ in it begins no variable"
    return Told(Outcome.NOT_MAPPED, what, "write it by hand")


def _defaults(node: Node) -> str:
    """The remark on a text whose defaults were taken."""
    taken = interpolated(node.text or "").taken
    return _taken(taken) if taken else ""


def _taken(names: tuple[str, ...]) -> str:
    return f"the default of {joined(f'${{{name}}}' for name in names)} is taken"


def _translate(ledger: Ledger, service: _Service) -> None:
    for extension in service.node.parts:
        if extension.name.startswith("x-"):
            ledger.tells(extension, EXTENSION)
    has_given_port = _command(ledger, service)
    ports = service.node.at("ports")
    if ports is not None and service.is_routed:
        published = Told(Outcome.NEEDLESS, _PUBLISHED.format(port=service.port)) if has_given_port else _NO_PORT
        ledger.tells(ports, published)
    _environment(ledger, service)
    _build(ledger, service)
    _health(ledger, service)
    _limits(ledger, service)


def _command(ledger: Ledger, service: _Service) -> bool:
    """Entrypoint and command as one line. True when a port in it became $PORT."""
    nodes = [node for key in ("entrypoint", "command") if (node := service.node.at(key)) is not None]
    lines: list[str] = []
    for node in nodes:
        if not node.items and not node.text:
            ledger.tells(node, _INHERITED)
            continue
        line = _line(node)
        if line is None:
            ledger.tells(node, _QUOTES)
            return False
        lines.append(line)
    given = on_given_port(" ".join(lines), service.port) if service.is_routed and service.port else " ".join(lines)
    has_given_port = given != " ".join(lines)
    notes = [f"{service.port} is $PORT now"] if has_given_port else []
    for node in nodes:
        if not ledger.is_covered(node):
            names = [name for leaf in node.leaves() for name in _names_in(leaf.text or "") if name != RESERVED_VARIABLE]
            more = [f"{joined(f'${name}' for name in dict.fromkeys(names))} is taken from the app's variables now"] if names else []
            ledger.maps(node, f"{service.table}.command", given, note="; ".join(notes + more))
    return has_given_port


def _line(node: Node) -> str | None:
    """As a line for a shell. Variables stay in it: the shell knows `${NAME:-default}` too. None: quotes are open."""
    words = node.texts()
    if words is not None:
        return shell_line([word if _names_in(word) else word.replace("$$", "$") for word in words])
    text = node.text or ""
    return text if _names_in(text) else exec_line(text.replace("$$", "$"))


def _names_in(text: str) -> tuple[str, ...]:
    found = interpolated(text)
    return (*found.unset, *found.taken)


def _environment(ledger: Ledger, service: _Service) -> None:
    environment = service.node.at("environment")
    if environment is None:
        return
    for item in environment.items or ():
        name, equals, value = (item.text or "").partition("=")
        if item.text:
            _variable(ledger, item, name, value if equals else None, service)
    for variable in (environment.table or {}).values():
        if not variable.parts:
            _variable(ledger, variable, variable.name, variable.text, service)


def _variable(ledger: Ledger, node: Node, name: str, value: str | None, service: _Service) -> None:
    """The value with its defaults; where it has none, it is to be set by hand."""
    found = interpolated(value or "")
    known = found.text if value is not None else None
    note = _taken(found.taken) if found.taken else ""
    add_variable(ledger, node, name, known, note=note, neighbours=service.neighbours)


def _build(ledger: Ledger, service: _Service) -> None:
    build = service.node.at("build")
    if build is None:
        return
    folder = _folder(service.node) or "."
    context = build if build.text is not None else build.at("context")
    if context is not None and folder == ".":
        ledger.tells(context, Told(Outcome.NEEDLESS, "the source is built from its top"))
    elif context is not None and _SAFE_FOLDER.match(folder):
        ledger.maps(context, "build.root", folder)
    add_image(ledger, dockerfile=build.at("dockerfile"), target=build.at("target"))
    arguments = build.at("args")
    for argument in (arguments.items or ()) if arguments else ():
        name, equals, value = (argument.text or "").partition("=")
        if argument.text:
            add_build_variable(ledger, argument, name, interpolated(value).text if equals else None)
    for argument in (arguments.table or {}).values() if arguments else ():
        if not argument.parts:
            add_build_variable(ledger, argument, argument.name, interpolated(argument.text).text if argument.text is not None else None)


def _health(ledger: Ledger, service: _Service) -> None:
    check = service.node.at("healthcheck")
    if check is None or check.table is None:
        return
    table = f"{service.table}.health"
    test, disabled = check.at("test"), check.at("disable")
    if (disabled is not None and disabled.is_true) or (test is not None and (test.texts() or [])[:1] == ["NONE"]):
        return
    if test is not None:
        _question(ledger, test, service)
    for name, key in (("timeout", f"{table}.timeout"), ("interval", f"{table}.readiness.interval")):
        add_pace(ledger, check.at(name), key)
    retries, start = check.at("retries"), check.at("start_period")
    if retries is not None:
        ledger.maps(retries, f"{table}.readiness.failures", whole(retries.text))
    if start is not None:
        _start_period(ledger, start)


def _start_period(ledger: Ledger, node: Node) -> None:
    """Up to a minute is the default of the deadline that startup has here."""
    length = seconds(node.text)
    if length is None or length <= Policy().healthy_deadline:
        ledger.tells(node, STARTUP_HAS_A_DEADLINE)
    else:
        add_deadline(ledger, node, note="it is one deadline for all process types")


def _question(ledger: Ledger, test: Node, service: _Service) -> None:
    words = test.texts()
    if words is None:
        line: str | None = (test.text or "").replace("$$", "$")
    else:
        kind, plain = (words or [""])[0], [word.replace("$$", "$") for word in words[1:]]
        line = " ".join(plain) if kind == "CMD-SHELL" else shell_line(plain) if kind == "CMD" else None
    if not line:
        ledger.tells(
            test, Told(Outcome.NOT_MAPPED, "it begins with neither CMD nor CMD-SHELL", "write health.command below the process type")
        )
        return
    if service.port and service.is_routed:
        line = re.sub(rf"(?<=[:=]){service.port}\b", "$PORT", line)
    add_command(ledger, test, service.process, line, is_routed=service.is_routed)


def _limits(ledger: Ledger, service: _Service) -> None:
    node, table = service.node, service.table
    for count in (node.at("deploy", "replicas"), node.at("scale")):
        if count is not None and _known(ledger, count) is not None:
            ledger.maps(count, f"{table}.count", whole(interpolated(count.text or "").text), note=_defaults(count))
    for memory in (node.at("deploy", "resources", "limits", "memory"), node.at("mem_limit")):
        if memory is not None and _known(ledger, memory) is not None:
            ledger.maps(memory, f"{table}.memory", size(interpolated(memory.text or "").text), note=_defaults(memory))
    for cpus in (node.at("deploy", "resources", "limits", "cpus"), node.at("cpus")):
        if cpus is not None and _known(ledger, cpus) is not None:
            ledger.maps(cpus, f"{table}.cpus", processors(interpolated(cpus.text or "").text), note=_defaults(cpus))
    signal = node.at("stop_signal")
    if signal is not None:
        ledger.maps(signal, f"{table}.stop_signal", signal.text or "")
