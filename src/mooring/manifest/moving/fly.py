"""fly.toml. Source: https://fly.io/docs/reference/configuration/

Must not: know more of a process group than the file says; machines are counted by `fly scale`, which no file holds.
"""

from __future__ import annotations

from collections.abc import Iterator

from mooring.manifest.moving.health import STARTUP_HAS_A_DEADLINE
from mooring.manifest.moving.images import add_image
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.process_names import process_names
from mooring.manifest.moving.quantities import exec_line, flag, on_given_port, shell_line, size, span, whole
from mooring.manifest.moving.reasons import (
    BY_ITSELF_RESTARTED,
    NO_CPUS,
    NO_IMAGES,
    NO_VOLUMES,
    OTHER_HOSTS,
    RUN_BY_HAND,
)
from mooring.manifest.moving.translation import Explanations, Outcome, Told
from mooring.manifest.moving.variables import add_build_variable, add_variable
from mooring.manifest.moving.waits import add_deadline, add_kill_timeout

_DEFAULT_GROUP = "app"
_BUILDERS = Told(Outcome.NEEDLESS, "the builder is found by the files there are", "build.builder names another")
_STAYS_UP = Told(Outcome.NEEDLESS, "instances are always up; requests wait at the edge while none is ready (edge.hold)")
_NO_SERVICE = Told(
    Outcome.NOT_MAPPED, "one HTTP service answers for the app", 'give a second process type a path: [processes.NAME] path = "/…"'
)
_PROTOCOL = Told(Outcome.NEEDLESS, "the edge speaks HTTP/1.1, HTTP/2 and WebSockets")
_NEEDS_CERTIFICATE = "it holds once the hostname has a certificate: `mooring up --acme-email ADDRESS` gets one"
_EDGE_PORTS = Told(Outcome.NEEDLESS, "the edge's ports belong to the platform", "`mooring up` has options for them")
_CHECK_DETAIL = Told(Outcome.NOT_MAPPED, "a check is a GET of a path, under the app's own name", "let the page answer without it")
_CONCURRENCY = Told(
    Outcome.NOT_MAPPED,
    "the edge spreads requests over all instances and sets no limit",
    "`mooring scale web=3`, or a limit in the app's server",
)
_GROUPS = Told(Outcome.NEEDLESS, "it says which process type is meant")
_MACHINE_CHECK = Told(
    Outcome.NOT_MAPPED, "no machine is made to test a release", "what has to pass before traffic moves can be part of the release command"
)
_STATICS = Told(Outcome.NOT_MAPPED, "the edge serves no files of an app", "let the app serve them (whitenoise, express.static)")
_SIZES = Told(Outcome.NOT_MAPPED, "no machine is rented", "write memory below [processes.NAME]")

_CHECK: Explanations = {
    "type": Told(Outcome.NEEDLESS, "the path, or tcp = true, says it"),
    "port": Told(Outcome.NEEDLESS, "each instance is asked on its own $PORT"),
    "grace_period": STARTUP_HAS_A_DEADLINE,
    "method": _CHECK_DETAIL,
    "protocol": _CHECK_DETAIL,
    "headers": _CHECK_DETAIL,
    "tls_skip_verify": _CHECK_DETAIL,
    "tls_server_name": _CHECK_DETAIL,
    "processes": _GROUPS,
    "restart_limit": BY_ITSELF_RESTARTED,
}
_SERVICE: Explanations = {
    "internal_port": Told(Outcome.NEEDLESS, "each instance gets a port of its own", "let the app listen on $PORT"),
    "protocol": _PROTOCOL,
    "script_checks": Told(Outcome.NOT_MAPPED, "it is of an older Fly", "write health.command below the process type"),
    "ports": _EDGE_PORTS,
    "auto_stop_machines": _STAYS_UP,
    "auto_start_machines": _STAYS_UP,
    "processes": _GROUPS,
    "concurrency": _CONCURRENCY,
    "http_options": Told(Outcome.NOT_MAPPED, "headers and protocols are the app's", "let the app set them"),
    "proxy_proto_options": _PROTOCOL,
    "tls_options": Told(Outcome.NOT_MAPPED, "the edge chooses versions and ciphers of TLS itself"),
    "machine_checks": _MACHINE_CHECK,
    "tcp_checks.*": _CHECK_DETAIL,
    "http_checks.*": _CHECK_DETAIL,
    "checks.*": _CHECK_DETAIL,
    **{f"{checks}.*.{key}": told for checks in ("checks", "http_checks", "tcp_checks") for key, told in _CHECK.items()},
}
TOLD: Explanations = {
    "primary_region": OTHER_HOSTS,
    "regions": OTHER_HOSTS,
    "swap_size_mb": Told(Outcome.NOT_MAPPED, "swap is the machine's own"),
    "console_command": Told(Outcome.NOT_MAPPED, "a console has no command of its own", RUN_BY_HAND),
    "host_dedication_id": _SIZES,
    "build": NO_IMAGES,
    "build.builder": _BUILDERS,
    "build.buildpacks": _BUILDERS,
    "build.builtin": _BUILDERS,
    "build.settings": _BUILDERS,
    "deploy.strategy": Told(Outcome.NEEDLESS, "new instances start beside the old ones, are watched, and are taken back where worse"),
    "deploy.seed_command": Told(Outcome.NOT_MAPPED, "nothing is run only once", RUN_BY_HAND),
    "deploy.release_command_vm": _SIZES,
    "deploy.release_command_compute": _SIZES,
    "experimental": Told(Outcome.NOT_MAPPED, "it is about Fly itself"),
    "experimental.auto_rollback": Told(Outcome.NEEDLESS, "a release that is worse is taken back (deploy.auto_revert)"),
    "machine_config": _SIZES,
    "container": NO_IMAGES,
    "machine_checks": _MACHINE_CHECK,
    "mounts": NO_VOLUMES,
    "mount": NO_VOLUMES,
    "files": Told(Outcome.NOT_MAPPED, "no files are put into a release", "keep them in the source, or name a secret below [secrets] files"),
    "statics": _STATICS,
    "metrics": Told(Outcome.NOT_YET, "the metrics of an app are not collected"),
    "restart": BY_ITSELF_RESTARTED,
    "vm": _SIZES,
    "vm.cpus": NO_CPUS,
    "vm.cpu_kind": NO_CPUS,
    "vm.processes": _GROUPS,
    "vm.*.cpus": NO_CPUS,
    "vm.*.cpu_kind": NO_CPUS,
    "vm.*.processes": _GROUPS,
    **{f"http_service.{key}": told for key, told in _SERVICE.items()},
    **{f"services.*.{key}": told for key, told in _SERVICE.items()},
    **{f"checks.*.{key}": told for key, told in _CHECK.items()},
}


def translate(ledger: Ledger) -> None:
    root = ledger.root
    groups = _groups(root)
    for key, path in (("app", ("app",)), ("release", ("deploy", "release_command"))):
        node = root.at(*path)
        if node is not None and node.text:
            ledger.maps(node, key, node.text if key == "app" else exec_line(node.text) or node.text)
    _signals(ledger, groups)
    for variable in _parts(root.at("env")):
        add_variable(ledger, variable, variable.name, variable.text)
    add_image(ledger, dockerfile=root.at("build", "dockerfile"), target=root.at("build", "build-target"))
    for argument in _parts(root.at("build", "args")):
        add_build_variable(ledger, argument, argument.name, argument.text)
    _deploy(ledger)
    _commands(ledger, groups)
    _services(ledger, groups)
    _checks(ledger, groups)
    _memory(ledger, groups)


def _groups(root: Node) -> dict[str, str]:
    """Process types by group. The group that the first service names is web; without groups there is one, `app`."""
    named = [process.name for process in _parts(root.at("processes"))] or [_DEFAULT_GROUP]
    service = next(iter(_http_services(root)), None)
    served = _named(service, []) if service else []
    main = next((name for name in [*served, "web", _DEFAULT_GROUP] if name in named), named[0] if service and len(named) == 1 else None)
    return process_names(named, main=main)


def _http_services(root: Node) -> Iterator[Node]:
    service = root.at("http_service")
    if service is not None:
        yield service
    services = root.at("services")
    yield from (services.items or ()) if services else ()


def _named(node: Node, default: list[str]) -> list[str]:
    """The groups that a table is about."""
    groups = node.at("processes")
    return (groups.texts() if groups else None) or default


def _signals(ledger: Ledger, groups: dict[str, str]) -> None:
    signal, timeout = ledger.root.at("kill_signal"), ledger.root.at("kill_timeout")
    if signal is not None:
        ledger.maps_all(signal, {f"processes.{process}.stop_signal": (signal.text or "").upper() for process in groups.values()})
    add_kill_timeout(ledger, [timeout] if timeout else [])


def _deploy(ledger: Ledger) -> None:
    deploy = ledger.root.at("deploy")
    release, wait, missing = (
        (deploy.at("release_command_timeout"), deploy.at("wait_timeout"), deploy.at("max_unavailable")) if deploy else (None, None, None)
    )
    if release is not None:
        ledger.maps(release, "deploy.release_timeout", span(release.text))
    add_deadline(ledger, wait)
    if missing is not None:
        ledger.maps(missing, "deploy.max_unavailable", _portion(missing.text or ""))


def _portion(text: str) -> str | int:
    """Below 1 it is a share of all machines, from 1 up a count."""
    try:
        number = float(text)
    except ValueError:
        return text
    if 0 < number < 1:
        return f"{number * 100:.0f}%"
    return int(number) if number.is_integer() else text


def _commands(ledger: Ledger, groups: dict[str, str]) -> None:
    port = next((node for service in _http_services(ledger.root) if (node := service.at("internal_port"))), None)
    for process in _parts(ledger.root.at("processes")):
        ours = groups[process.name]
        command = exec_line(process.text or "")
        if not command:
            why = "its quotes are not closed" if command is None else "it is empty: what the image says is run"
            ledger.tells(process, Told(Outcome.NOT_MAPPED, why, f"write command below [processes.{ours}]"))
            continue
        given = on_given_port(command, port.text) if port and port.text and ours == "web" else command
        note = f"{port.text} is $PORT now, which differs from instance to instance" if port and given != command else ""
        ledger.maps(process, f"processes.{ours}.command", given, note=note)
    command_words, entry = ledger.root.at("experimental", "cmd"), ledger.root.at("experimental", "entrypoint")
    words = [*((entry.texts() or []) if entry else []), *((command_words.texts() or []) if command_words else [])]
    web = next(iter(groups.values()))
    if words and len(groups) == 1 and f"processes.{web}.command" not in ledger.settings:
        for node in (entry, command_words):
            if node is not None:
                ledger.maps(node, f"processes.{web}.command", shell_line(words))


def _services(ledger: Ledger, groups: dict[str, str]) -> None:
    for position, service in enumerate(_http_services(ledger.root)):
        process = groups.get(next(iter(_named(service, [])), _main(groups)), "")
        if position or process != "web":
            ledger.tells(service, _NO_SERVICE)
            continue
        least = service.at("min_machines_running")
        if least is not None:
            count = whole(least.text)
            ledger.maps(least, f"processes.{process}.count", max(count, 1) if isinstance(count, int) else count)
        idle = service.at("http_options", "idle_timeout")
        if idle is not None:
            ledger.maps(idle, "edge.request_timeout", span(idle.text))
        for forced in (service.at("force_https"), *(port.at("force_https") for port in _items(service.at("ports")))):
            if forced is not None:
                ledger.maps(forced, "https.redirect", flag(forced), note="" if forced.is_false else _NEEDS_CERTIFICATE)
        for kind in ("checks", "http_checks", "tcp_checks"):
            for check in _items(service.at(kind)):
                _check(ledger, check, process, is_tcp=kind == "tcp_checks")


def _main(groups: dict[str, str]) -> str:
    return next((theirs for theirs, ours in groups.items() if ours == "web"), "")


def _checks(ledger: Ledger, groups: dict[str, str]) -> None:
    for check in _parts(ledger.root.at("checks")):
        process = groups.get(next(iter(_named(check, [])), _main(groups)), "")
        kind = check.at("type")
        if process == "web":
            _check(ledger, check, process, is_tcp=kind is not None and kind.text == "tcp")
        else:
            why = "only what gets requests has a port to be asked on"
            ledger.tells(check, Told(Outcome.NOT_MAPPED, why, "write health.command below the process type"))


def _check(ledger: Ledger, check: Node, process: str, *, is_tcp: bool) -> None:
    """The first that asks for a page is the one; a port that is open says less."""
    table = f"processes.{process}.health"
    path, interval, timeout = check.at("path"), check.at("interval"), check.at("timeout")
    if f"{table}.path" in ledger.settings or f"{table}.tcp" in ledger.settings:
        ledger.tells(check, Told(Outcome.NOT_MAPPED, "one question decides whether an instance is ready, and another check asks it"))
        return
    if is_tcp and not _asks_a_page(ledger.root):
        kind = check.at("type") or check
        ledger.maps(kind, f"{table}.tcp", True)
        if kind is check:
            return
    elif is_tcp:
        ledger.tells(check, Told(Outcome.NEEDLESS, "a page is asked for, and that takes an open port"))
        return
    if path is not None:
        ledger.maps(path, f"{table}.path", path.text or "/")
    if interval is not None:
        ledger.maps(interval, f"{table}.readiness.interval", _milliseconds(interval))
    if timeout is not None:
        ledger.maps(timeout, f"{table}.timeout", _milliseconds(timeout))


def _asks_a_page(root: Node) -> bool:
    """Of the process type that gets requests."""
    own = [check for check in _parts(root.at("checks")) if not _named(check, [])]
    service = next(iter(_http_services(root)), None)
    of_service = [check for kind in ("checks", "http_checks") for check in _items(service.at(kind))] if service else []
    return any(check.at("path") for check in [*own, *of_service])


def _milliseconds(node: Node) -> str:
    """Of a check: a bare number is milliseconds."""
    return span(node.text, bare=0.001)


def _memory(ledger: Ledger, groups: dict[str, str]) -> None:
    """Of the groups that a machine names; one that names none is for the rest."""
    machines = ledger.root.at("vm")
    each = (machines.items or (machines,)) if machines else ()
    named = {name for machine in each for name in _named(machine, [])}
    rest = [name for name in groups if name not in named]
    for machine in each:
        memory = machine.at("memory") or machine.at("memory_mb")
        theirs = [name for name in _named(machine, rest) if name in groups]
        if memory is not None and theirs:
            ledger.maps_all(memory, {f"processes.{groups[name]}.memory": size(memory.text, bare="M") for name in theirs})


def _items(node: Node | None) -> tuple[Node, ...]:
    return (node.items or ()) if node else ()


def _parts(node: Node | None) -> tuple[Node, ...]:
    return tuple((node.table or {}).values()) if node else ()
