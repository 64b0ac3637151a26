"""Other machines for apps to run on. Must not: take a host key that nobody has confirmed."""

from __future__ import annotations

import click
import msgspec

from mooring.cli.commands.config import parsed_pairs
from mooring.cli.options import command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.errors import Aborted, InvalidInput
from mooring.model.host import EdgePorts, HostAddress, HostRuntime
from mooring.model.quantity import parse_size

_RUNTIMES = (HostRuntime.DOCKER.value, HostRuntime.SYSTEMD.value)


@command("host add", about_environment=False)
@click.argument("address", metavar="USER@ADDRESS")
@click.option("--name", default="", help="What to call it; else the first part of its name.")
@click.option("--region", default="default", show_default=True, help="The group of hosts that it belongs to.")
@click.option("--runtime", type=click.Choice(_RUNTIMES), default="docker", show_default=True, help="How apps run there.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Something to find it by; may be given again.")
@click.option("--bind", default="", metavar="ADDRESS", help="Its own address for apps to listen on; else the one that SSH reached.")
@click.option("--memory", default="", metavar="SIZE", help="How much memory apps may declare there; else four fifths of what it has.")
@click.option(
    "--engine", default="", metavar="SOCKET", help="Where its container engine listens, like unix:///run/podman/podman.sock; else found."
)
@click.option("--bastion", default="", metavar="USER@ADDRESS", help="A machine to go through on the way (ssh's ProxyJump).")
@click.option(
    "--bastion-fingerprint", default="", metavar="SHA256:…", help="The host key that the bastion has to show; else you are asked."
)
@click.option("--fingerprint", default="", metavar="SHA256:…", help="The host key that it has to show; else you are asked.")
@click.option("--firewall", is_flag=True, help="Close the ports of its instances to everybody but this platform.")
@click.option("--edge", "is_edge", is_flag=True, help="Let it carry an edge too: apps on hosts of its region are reached through it.")
@click.option("--edge-ports", default="80,443", metavar="HTTP,HTTPS", show_default=True, help="Where that listens; 0 for no HTTPS.")
@click.option("--take-over", is_flag=True, help="Also from another controller, which must not use it any more.")
@click.option("--yes", is_flag=True, help="Do what the plan says without asking; the host key is still confirmed.")
@click.option("--plan", "is_plan", is_flag=True, help="Show what would be done, and do nothing.")
def host_add_command(
    session: Session,
    address: str,
    name: str,
    region: str,
    runtime: str,
    labels: tuple[str, ...],
    bind: str,
    memory: str,
    engine: str,
    bastion: str,
    bastion_fingerprint: str,
    fingerprint: str,
    firewall: bool,
    is_edge: bool,
    edge_ports: str,
    take_over: bool,
    yes: bool,
    is_plan: bool,
) -> None:
    from mooring.cli.render.hosts import plan_lines
    from mooring.usecases.requests import HostRequest

    request = HostRequest(
        address=str(HostAddress.parse(address)),
        name=name,
        runtime=HostRuntime(runtime),
        region=region,
        labels=parsed_pairs(labels),
        bind=bind,
        memory=parse_size(memory) if memory else 0,
        engine_socket=engine,
        bastion=str(HostAddress.parse(bastion)) if bastion else "",
        firewall=firewall,
        take_over=take_over,
        edge=_ports(edge_ports) if is_edge else None,
    )
    offered = session.client.plan_host(request)
    if offered.host.bastion is not None:
        _confirm_key(session, request.bastion, offered.host.bastion.fingerprint, wanted=bastion_fingerprint, option="--bastion-fingerprint")
        request = msgspec.structs.replace(request, bastion_key=offered.host.bastion.host_key)
        offered = session.client.plan_host(request)
    _confirm_key(session, offered.host.name, offered.fingerprint, wanted=fingerprint)
    request = msgspec.structs.replace(request, host_key=offered.host.host_key)
    plan = session.client.plan_host(request)
    if is_plan or plan.preparation.faults:
        session.answer(plan, plan_lines(plan, width=session.out.width))
        if plan.preparation.faults:
            raise InvalidInput(f"{plan.host.name} cannot be used as it is", hint=plan.preparation.faults[0].hint)
        return
    if not session.is_json:
        session.err.write(plan_lines(plan, width=session.err.width))
    if plan.preparation.steps and session.is_interactive and not yes and session.ask("Do it? [y/N]").lower() not in ("y", "yes"):
        raise Aborted("nothing was done", hint="the same command asks again")
    added = session.client.add_host(request)
    also = " and carries an edge" if added.host.edge else ""
    said = f"{added.host.name} runs apps of region {added.host.region}{also} now ({added.host.runtime.value}, {added.fingerprint})"
    session.answer(added, [line(Span("✓ ", Style.SUCCESS), said)])


@command("host ls", about_environment=False)
def host_ls_command(session: Session) -> None:
    from mooring.cli.render.hosts import host_lines

    found = session.client.hosts()
    session.answer({"hosts": found}, host_lines(found, width=session.out.width))


@command("host check", about_environment=False)
@click.argument("name")
def host_check_command(session: Session, name: str) -> int:
    from mooring.cli.render.hosts import plan_lines

    plan = session.client.check_host(name)
    session.answer(plan, plan_lines(plan, width=session.out.width))
    return 1 if plan.preparation.faults else 0


@command("host drain", about_environment=False)
@click.argument("name")
@click.option("--off", is_flag=True, help="Use it again.")
def host_drain_command(session: Session, name: str, off: bool) -> None:
    host = session.client.drain_host(name, is_draining=not off)
    said = "is used again" if off else "gets nothing new; what runs there moves away with each app's next deployment"
    session.answer(host, [line(f"{host.name} {said}.")])


@command("host rm", about_environment=False)
@click.argument("name")
@click.option("--lost", is_flag=True, help="It will never answer again: give up what was placed on it.")
def host_rm_command(session: Session, name: str, lost: bool) -> None:
    host = session.client.remove_host(name, is_lost=lost)
    session.answer(host, [line(f"{host.name} is no host of this platform any more.")])


@command("host key", about_environment=False)
def host_key_command(session: Session) -> None:
    key = session.client.host_key()
    session.answer(key, [line(key.public_key)])


def _ports(text: str) -> EdgePorts:
    """Raises InvalidInput."""
    words = text.split(",")
    if len(words) != 2 or not all(word.isascii() and word.isdigit() and len(word) <= 5 for word in words):
        raise InvalidInput(f"{text[:50]!r} are no two ports", hint="write them like --edge-ports 80,443")
    return EdgePorts(http=int(words[0]), https=int(words[1]))


def _confirm_key(session: Session, name: str, shown: str, *, wanted: str, option: str = "--fingerprint") -> None:
    """Raises InvalidInput, Aborted."""
    if wanted:
        if wanted != shown:
            hint = "find out who answers there before you go on"
            raise InvalidInput(f"{name} shows the host key {shown}, not {wanted}", hint=hint)
        return
    if not session.is_interactive:
        hint = f"compare it with the host's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then add {option} {shown}"
        raise InvalidInput(f"{name} shows the host key {shown}, and nobody has confirmed it", hint=hint)
    session.remark(f"{name} shows the host key {shown}")
    if session.ask("Is that the host's own? [y/N]").lower() not in ("y", "yes"):
        raise Aborted("nothing was done", hint="compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says there")
