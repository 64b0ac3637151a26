"""Kamal's deploy.yml. Source: https://kamal-deploy.org/docs/configuration/overview/ and the pages below it

Must not: run ERB; what stands in <%= … %> is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mooring.manifest.moving.images import add_image
from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.process_names import process_names
from mooring.manifest.moving.quantities import flag, on_given_port, processors, shell_line, size, span, whole
from mooring.manifest.moving.reasons import (
    BY_ITSELF_RESTARTED,
    CERTIFICATES,
    LOGS_ARE_KEPT,
    NO_ACCESSORIES,
    NO_IMAGES,
    NO_LABELS,
    NO_REGISTRY,
    NO_VOLUMES,
    NOTHING_WHERE_STATED,
    OTHER_HOSTS,
    OWN_CERTIFICATE,
    RUN_BY_HAND,
)
from mooring.manifest.moving.translation import Explanations, Outcome, Told, Value
from mooring.manifest.moving.variables import add_build_variable, add_secret, add_variable
from mooring.manifest.moving.waits import add_deadline, add_kill_timeout
from mooring.manifest.processes import WEB

_REGION = "default"
_ERB = re.compile(r"<%")
_TEMPLATE = Told(Outcome.NOT_MAPPED, "it is made by Ruby when Kamal reads the file", "write its value by hand")
_ONE_MACHINE = Told(
    Outcome.NOT_MAPPED,
    "the machine is no part of mooring.toml: a context names it",
    "run `mooring up` there; `mooring context add` makes it the one that commands mean",
)
_NO_SSH = Told(Outcome.NOT_MAPPED, "how a machine is reached is a matter of OpenSSH", "write it into ~/.ssh/config; contexts follow it")
_NO_BUILDER = Told(Outcome.NEEDLESS, "the build runs on the platform's machine, for that machine")
_NO_HOOKS = Told(
    Outcome.NOT_MAPPED,
    "no scripts run around a deployment",
    "the release command runs before traffic moves; `mooring deploy` can be one step of a script of yours",
)
_ASSETS = Told(
    Outcome.NOT_YET,
    "files of two releases are not put into one folder",
    "serve assets from a place that outlives releases; the old release serves until the switch",
)
_EDGE_LOGS = Told(Outcome.NOT_MAPPED, "what the edge logs of a request cannot be chosen")
_BUFFERING = Told(Outcome.NOT_MAPPED, "requests and answers go through the edge as they come")
_PER_ROLE = Told(Outcome.NOT_MAPPED, "only web gets requests of its own host", 'give the process type a path: [processes.NAME] path = "/…"')
_HEALTH_OF_1 = Told(Outcome.NEEDLESS, "a new instance is asked on its own $PORT, often, until deploy.healthy_deadline")
_TAGS = Told(
    Outcome.NOT_MAPPED, "variables are the same on every machine", "set what differs in an environment below [environments.NAME.env]"
)

TOLD: Explanations = {
    "image": NO_REGISTRY,
    "registry": NO_REGISTRY,
    "labels": NO_LABELS,
    "volumes": NO_VOLUMES,
    "asset_path": _ASSETS,
    "hooks_path": _NO_HOOKS,
    "hooks_output": _NO_HOOKS,
    "secrets_path": Told(Outcome.NOT_MAPPED, "secrets are kept by the platform, encrypted", "set each with `mooring secret set NAME`"),
    "error_pages_path": Told(Outcome.NOT_YET, "the edge has pages of its own for errors"),
    "require_destination": Told(Outcome.NOT_MAPPED, "the environment is production unless -e names another"),
    "allow_empty_roles": Told(Outcome.NEEDLESS, "count = 0 is allowed"),
    "minimum_version": Told(Outcome.NEEDLESS, "it is about Kamal itself"),
    "run_directory": Told(Outcome.NEEDLESS, "the platform keeps its state in a folder of its own"),
    "ssh": _NO_SSH,
    "sshkit": _NO_SSH,
    "boot": Told(Outcome.NOT_MAPPED, "all hosts of a region are prepared side by side", "deploy.max_surge paces the instances"),
    "logging": LOGS_ARE_KEPT,
    "output": LOGS_ARE_KEPT,
    "accessories.*": NO_ACCESSORIES,
    "aliases.*": Told(Outcome.NOT_MAPPED, "commands have no other names", f"a shell alias; {RUN_BY_HAND}"),
    "healthcheck": _HEALTH_OF_1,
    "traefik": Told(Outcome.NEEDLESS, "the edge is part of the platform"),
    "builder": NO_IMAGES,
    **dict.fromkeys(
        (f"builder.{key}" for key in ("arch", "multiarch", "local", "remote", "cache", "driver", "provenance", "sbom")), _NO_BUILDER
    ),
    "builder.ssh": _NO_BUILDER,
    "builder.secrets": Told(
        Outcome.NOT_MAPPED, "secrets of a build are a list of their names", "name them in build.secrets; set each with `mooring secret set`"
    ),
    "proxy.app_port": Told(Outcome.NEEDLESS, "each instance gets a port of its own", "let the app listen on $PORT"),
    "proxy.ssl": CERTIFICATES,
    "proxy.ssl.*": OWN_CERTIFICATE,
    "proxy.certificate_pem": OWN_CERTIFICATE,
    "proxy.private_key_pem": OWN_CERTIFICATE,
    "proxy.forward_headers": Told(Outcome.NEEDLESS, "the edge tells the app the client's address and scheme in X-Forwarded-For and -Proto"),
    "proxy.buffering": _BUFFERING,
    "proxy.buffering.requests": _BUFFERING,
    "proxy.logging": _EDGE_LOGS,
    "proxy.strip_path_prefix": Told(Outcome.NOT_MAPPED, "the app sees the path as the client wrote it", "mount the app below the prefix"),
    "proxy.run": Told(Outcome.NOT_MAPPED, "it is about kamal-proxy itself", "`mooring up` has options for the edge's ports"),
    "env.tags": _TAGS,
    "servers.*.tags": _TAGS,
    "servers.*.hosts": OTHER_HOSTS,
    "servers.*.proxy": _PER_ROLE,
    "servers.*.labels": NO_LABELS,
    "servers.*.logging": LOGS_ARE_KEPT,
    "servers.*.asset_path": _ASSETS,
    "servers.*.options": Told(Outcome.NOT_MAPPED, "it is an option of Docker's, and no container is made"),
    "servers.*.options.volume": NO_VOLUMES,
    "servers.*.options.restart": BY_ITSELF_RESTARTED,
    "servers.*.specializations": _TAGS,
}


def translate(ledger: Ledger) -> None:
    root = ledger.root
    for leaf in root.leaves():
        if leaf.text and _ERB.search(leaf.text):
            ledger.tells(leaf, _TEMPLATE)
    _one(ledger, root.at("service"), "app")
    names = _roles(ledger)
    _hosts(ledger, names)
    _proxy(ledger, root.at("proxy"))
    _one(ledger, root.at("healthcheck", "path"), "processes.web.health.path")
    _environment(ledger, root.at("env"))
    _build(ledger)
    _pace(ledger)
    primary = root.at("primary_role")
    if primary is not None and not ledger.is_covered(primary):
        if primary.text in names:
            ledger.tells(primary, Told(Outcome.NEEDLESS, f"the role {primary.text} is called web here: that is what gets requests"))
        else:
            ledger.tells(primary, Told(Outcome.NOT_MAPPED, "there is no such role"))


def _one(ledger: Ledger, node: Node | None, key: str) -> None:
    if node is not None and node.text is not None and not ledger.is_covered(node):
        ledger.maps(node, key, node.text)


def _roles(ledger: Ledger) -> dict[str, str]:
    """Process types by role. A list of servers is the role web."""
    servers = ledger.root.at("servers")
    primary = ledger.root.at("primary_role")
    theirs = list(servers.table or {}) if servers else []
    main = primary.text if primary and primary.text in theirs else ("web" if "web" in theirs else None)
    names = process_names(theirs, main=main)
    for role in servers.parts if servers and servers.table else ():
        if role.table:
            _role(ledger, role, names[role.name])
    return names


def _role(ledger: Ledger, role: Node, process: str) -> None:
    table = f"processes.{process}"
    command = role.at("cmd")
    if command is not None and not ledger.is_covered(command):
        words = command.texts()
        _command(ledger, command, f"{table}.command", shell_line(words) if words else command.text or "", is_routed=process == "web")
    memory = role.at("options", "memory")
    if memory is not None and not ledger.is_covered(memory):
        ledger.maps(memory, f"{table}.memory", size(memory.text))
    cpus = role.at("options", "cpus")
    if cpus is not None and not ledger.is_covered(cpus):
        ledger.maps(cpus, f"{table}.cpus", processors(cpus.text))
    _environment(ledger, role.at("env"))
    proxy = role.at("proxy")
    if proxy is None or ledger.is_covered(proxy):
        return
    if process == "web" and not proxy.is_true:
        _proxy(ledger, proxy)
    elif proxy.is_true or proxy.is_false:
        ledger.tells(proxy, NOTHING_WHERE_STATED if proxy.is_true == (process == "web") else _PER_ROLE)


def _command(ledger: Ledger, node: Node, key: str, command: str, *, is_routed: bool) -> None:
    port = ledger.root.at("proxy", "app_port")
    given = on_given_port(command, port.text) if is_routed and port and port.text else command
    ledger.maps(
        node, key, given, note=f"{port.text} is $PORT now, which differs from instance to instance" if port and given != command else ""
    )


def _hosts(ledger: Ledger, names: dict[str, str]) -> None:
    """One machine becomes a context, several the hosts of a region."""
    lists = list(_host_lists(ledger.root.at("servers")))
    machines = list(dict.fromkeys(_host(item) for each in lists for item in each.items or ()))
    user = ledger.root.at("ssh", "user")
    addresses = [f"{user.text if user and user.text else 'root'}@{machine}" for machine in machines]
    for each in lists:
        if ledger.is_covered(each):
            for item in each.items or ():
                if not ledger.is_covered(item):
                    ledger.tells(item, OTHER_HOSTS)
        elif not all(_is_address(address) for address in addresses):
            ledger.tells(each, OTHER_HOSTS)
        elif len(addresses) == 1:
            ledger.tells(each, _ONE_MACHINE, commands=[f"mooring context add production ssh://{addresses[0]}"])
        else:
            _region(ledger, each, addresses, process=names.get(str(each.path[1]), WEB) if len(each.path) > 1 else WEB)


def _region(ledger: Ledger, hosts: Node, addresses: Sequence[str], *, process: str) -> None:
    """Kamal runs one instance of a role on each of the role's machines."""
    region = {f"host-{number}": address for number, address in enumerate(addresses, start=1)}
    values: dict[str, Value] = {f"regions.{_REGION}.hosts": tuple(region), f"processes.{process}.count": len(hosts.items or ())}
    commands = [f"mooring host add {address} --name {name} --region {_REGION}" for name, address in region.items()]
    ledger.maps_all(hosts, values, note="all process types are spread over all hosts of the region", commands=commands)


def _host_lists(servers: Node | None) -> Iterable[Node]:
    if servers is None:
        return
    if servers.items:
        yield servers
    for role in (servers.table or {}).values():
        hosts = role if role.items else role.at("hosts")
        if hosts is not None and hosts.items:
            yield hosts


def _host(item: Node) -> str:
    """A machine's address; with tags it is the key of a table."""
    return item.text or next(iter(item.table or {}), "")


def _is_address(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.:-]*", text) is not None


def _proxy(ledger: Ledger, proxy: Node | None) -> None:
    """The settings of kamal-proxy for the process type that gets requests."""
    if proxy is not None and proxy.is_false:
        ledger.maps(proxy, "processes.web.routed", False)
    if proxy is None or proxy.table is None:
        return
    redirect, secured = proxy.at("ssl_redirect"), proxy.at("ssl")
    if redirect is not None and not ledger.is_covered(redirect):
        ledger.maps(redirect, "https.redirect", flag(redirect))
    if secured is not None and secured.is_false and not ledger.is_covered(secured):
        ledger.maps(secured, "https.acme", False)
    host, hosts, paths = proxy.at("host"), proxy.at("hosts"), proxy.at("path_prefix")
    if host is not None and host.text and not ledger.is_covered(host):
        ledger.maps(host, "hostnames", tuple(name.strip() for name in host.text.split(",")))
    names = hosts.texts() if hosts else None
    if hosts is not None and names and not ledger.is_covered(hosts):
        ledger.maps(hosts, "hostnames", tuple(names))
    if paths is not None and paths.text and not ledger.is_covered(paths):
        ledger.maps(paths, "processes.web.path", paths.text.rstrip("/") or "/")
    _plain(
        ledger,
        (
            (proxy.at("response_timeout"), "edge.request_timeout", "it counts the time without a byte here, not the whole answer"),
            (proxy.at("healthcheck", "interval"), "processes.web.health.readiness.interval", ""),
            (proxy.at("healthcheck", "timeout"), "processes.web.health.timeout", ""),
        ),
    )
    path = proxy.at("healthcheck", "path")
    _one(ledger, path, "processes.web.health.path")
    body = proxy.at("buffering", "max_request_body")
    if body is not None and not ledger.is_covered(body):
        ledger.maps(body, "edge.max_request_size", whole((body.text or "").replace("_", "")))


def _plain(ledger: Ledger, durations: Iterable[tuple[Node | None, str, str]]) -> None:
    for node, key, note in durations:
        if node is not None and not ledger.is_covered(node):
            ledger.maps(node, key, span(node.text), note=note)


def _environment(ledger: Ledger, env: Node | None) -> None:
    """`clear` and `secret`, or plain variables right away."""
    if env is None:
        return
    secrets, clear = env.at("secret"), env.at("clear")
    for name in (secrets.items or ()) if secrets else ():
        if name.text and not ledger.is_covered(name):
            add_secret(ledger, name, name.text.partition(":")[0])
    is_split = secrets is not None or clear is not None or env.at("tags") is not None
    for variable in (clear.parts if clear else ()) if is_split else env.parts:
        if variable.parts or ledger.is_covered(variable):
            continue
        add_variable(ledger, variable, variable.name, variable.text or "", neighbours=_neighbours(ledger))


def _neighbours(ledger: Ledger) -> list[str]:
    """The names under which the app reaches its accessories there."""
    service, accessories = ledger.root.at("service"), ledger.root.at("accessories")
    return [f"{service.text}-{each.name}" for each in (accessories.parts if accessories else ())] if service else []


def _build(ledger: Ledger) -> None:
    add_image(ledger, dockerfile=ledger.root.at("builder", "dockerfile"), target=ledger.root.at("builder", "target"))
    arguments, context = ledger.root.at("builder", "args"), ledger.root.at("builder", "context")
    for argument in arguments.parts if arguments else ():
        if not argument.parts and not ledger.is_covered(argument):
            add_build_variable(ledger, argument, argument.name, argument.text)
    secrets = ledger.root.at("builder", "secrets")
    names = tuple(each.text or "" for each in (secrets.items or ())) if secrets else ()
    if secrets is not None and names and not ledger.is_covered(secrets):
        ledger.maps_all(secrets, {"build.secrets": names}, commands=[f"mooring secret set {name}" for name in names])
    folder = (context.text or "").removeprefix("./").rstrip("/") if context else ""
    if context is not None and folder not in ("", ".") and not ledger.is_covered(context):
        ledger.maps(context, "build.root", folder)
    elif context is not None and not ledger.is_covered(context):
        ledger.tells(context, Told(Outcome.NEEDLESS, "the commit is what is built"))


def _pace(ledger: Ledger) -> None:
    root = ledger.root
    add_deadline(ledger, root.at("deploy_timeout"))
    delay = root.at("readiness_delay")
    if delay is not None and not ledger.is_covered(delay):
        ledger.maps(delay, "deploy.min_healthy_time", span(delay.text), note="it holds for every process type here, web too")
    _plain(ledger, ((root.at("drain_timeout"), "deploy.drain_timeout", ""),))
    servers = root.at("servers")
    roles = [root, *((servers.table or {}).values() if servers else ())]
    add_kill_timeout(ledger, [stop for role in roles if (stop := role.at("stop_wait_time"))])
    kept = root.at("retain_containers")
    if kept is not None and not ledger.is_covered(kept):
        ledger.maps(kept, "deploy.keep_releases", whole(kept.text))
