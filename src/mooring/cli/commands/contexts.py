"""Platforms on other machines: named, chosen, forgotten; and the other end of their SSH. Must not: change what runs."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from mooring.cli.options import command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.client import contexts


@command("context add", about_environment=False)
@click.argument("name")
@click.argument("address")
@click.option("--program", default="mooring", show_default=True, metavar="PATH", help="What to type there for `mooring`.")
def context_add_command(session: Session, name: str, address: str, program: str) -> None:
    from mooring.client.client import Client
    from mooring.client.ssh import SshWay, parse_target

    target = parse_target(address, program=program)
    file = contexts.contexts_file(session.variables)
    known = contexts.load(file)
    contexts.check_name(name)
    health = Client(way=SshWay(target, asks=session.is_interactive)).health()
    contexts.save(file, msgspec.structs.replace(known, current=name, targets={**known.targets, name: target}))
    said = f"{name} is {target}, Mooring {health.version}; commands mean it from now on"
    session.answer({"name": name, "address": str(target), "version": health.version}, [line(Span("✓ ", Style.SUCCESS), said)])


@command("context ls", about_environment=False)
def context_ls_command(session: Session) -> None:
    from mooring.cli.render.table import Column, table

    known = contexts.load(contexts.contexts_file(session.variables))
    current = contexts.meant(session.variables, known)
    addresses = {contexts.LOCAL: "this machine", **{name: str(target) for name, target in sorted(known.targets.items())}}
    rows = [[line(name), line(Span("current" if name == current else "", Style.GOOD)), line(place)] for name, place in addresses.items()]
    shown = table((Column("context"), Column(""), Column("address", is_flexible=True)), rows, width=session.out.width)
    session.answer({"current": current, "contexts": addresses}, shown)


@command("context use", about_environment=False)
@click.argument("name")
def context_use_command(session: Session, name: str) -> None:
    file = contexts.contexts_file(session.variables)
    known = contexts.load(file)
    target = known.target(name)
    contexts.save(file, msgspec.structs.replace(known, current=name))
    session.answer({"current": name}, [line(f"commands mean {name} now: {target or 'this machine'}")])
    if contexts.meant(session.variables, contexts.load(file)) != name:
        session.remark("MOORING_CONTEXT, MOORING_STATE or MOORING_URL is set in this shell, and says otherwise.")


@command("context rm", about_environment=False)
@click.argument("name")
def context_rm_command(session: Session, name: str) -> None:
    file = contexts.contexts_file(session.variables)
    known = contexts.load(file)
    contexts.check_name(name)
    known.target(name)
    left = {other: target for other, target in known.targets.items() if other != name}
    current = contexts.LOCAL if known.current == name else known.current
    contexts.save(file, contexts.Contexts(current=current, targets=left))
    session.answer({"removed": name, "current": current}, [line(f"{name} is forgotten; commands mean {current}")])


@command("dial", about_environment=False)
@click.option("--state", type=click.Path(path_type=Path), help="The directory of the platform's state.")
def dial_command(session: Session, state: Path | None) -> None:
    from mooring.client.dialling import dial
    from mooring.client.location import state_directory

    session.check_local("dial")
    dial(state.absolute() if state else state_directory(session.variables))
