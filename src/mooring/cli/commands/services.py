"""Data services of an environment, and the servers they come from. Must not: take an address from the command line, or show one."""

from __future__ import annotations

import os
from pathlib import Path

import click

from mooring.cli.options import DETACH, command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError
from mooring.model.environment import EnvironmentId
from mooring.model.service import ServiceKind

_TYPES = tuple(kind.value for kind in ServiceKind)


@command("service add-server", about_environment=False)
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(_TYPES), required=True, help="What it serves.")
@click.option("--accept-open", is_flag=True, help="Also one where the logins of apps reach something that is not theirs.")
@click.option(
    "--accessory", default="", metavar="APP/ENVIRONMENT.NAME", help="It is this accessory, whose `url` is taken; no address is asked for."
)
def service_add_server_command(session: Session, name: str, kind: str, accept_open: bool, accessory: str) -> None:
    from mooring.cli.render.services import server_lines
    from mooring.cli.secret_input import read_secret

    if accessory:
        own = EnvironmentId.parse(accessory)
        added = session.client.add_server(name, ServiceKind(kind), None, accept_open=accept_open, accessory=own)
    else:
        address = read_secret(session, f"the administrator's address of {name}", again=f"mooring service add-server {name} --type {kind}")
        added = session.client.add_server(name, ServiceKind(kind), address, accept_open=accept_open)
    session.answer(
        added, [line(Span("✓ ", Style.SUCCESS), f"services can come from {name} now"), *server_lines([added], width=session.out.width)]
    )


@command("service servers", about_environment=False)
def service_servers_command(session: Session) -> int:
    from mooring.cli.render.services import server_lines

    found = session.client.servers()
    session.answer({"servers": found}, server_lines(found, width=session.out.width))
    return 1 if any(each.error for each in found) else 0


@command("service rm-server", about_environment=False)
@click.argument("name")
def service_rm_server_command(session: Session, name: str) -> None:
    server = session.client.remove_server(name)
    session.answer(server, [line(f"{name} is forgotten; nothing on it was touched.")])


@command("service ls")
def service_ls_command(session: Session) -> int:
    from mooring.cli.render.services import service_lines

    found = session.client.services(session.environment)
    session.answer({"services": found}, service_lines(found, width=session.out.width))
    return 1 if any(each.error for each in found) else 0


@command("service rotate")
@click.argument("name")
@DETACH
def service_rotate_command(session: Session, name: str, detach: bool) -> int:
    from mooring.cli.follow import started

    return started(session, session.client.rotate_service(session.environment, name), is_detached=detach)


@command("service dump")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def service_dump_command(session: Session, name: str, file: Path) -> None:
    from mooring.model.quantity import format_size

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} exists already", hint="choose another name: a dump is never overwritten") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", hint="choose another place") from error
    try:
        with os.fdopen(descriptor, "wb") as into:
            written = session.client.dump_service(session.environment, name, into)
    except BaseException:
        file.unlink(missing_ok=True)  # half a dump is none
        raise
    session.answer(
        {"file": str(file), "bytes": written}, [line(f"{name} of {session.environment} is in {file} ({format_size(written)}, mode 0600).")]
    )


@command("service restore")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--confirm", default="", metavar="NAME", help="The service's full name, like shop/production/db.")
def service_restore_command(session: Session, name: str, file: Path, confirm: str) -> None:
    if not file.is_file():
        raise InvalidInput(f"there is no file {file}", hint=f"`mooring service dump {name} FILE` writes one")
    _confirmed(session, f"{session.environment}/{name}", confirm, f"What the dump holds takes the place of what is in {name} now.")
    with file.open("rb") as dump:
        session.client.restore_service(session.environment, name, dump)
    session.answer({"service": name, "restored": True}, [line(f"{name} of {session.environment} holds again what {file} holds.")])


@command("service rm")
@click.argument("name")
@click.option("--confirm", default="", metavar="NAME", help="The service's full name, like shop/production/db.")
def service_rm_command(session: Session, name: str, confirm: str) -> None:
    whole = f"{session.environment}/{name}"
    _confirmed(session, whole, confirm, f"{name} and all that is in it will be removed. There is no way back.")
    removed = session.client.remove_service(session.environment, name, confirm=whole)
    session.answer(removed, [line(f"{name} of {session.environment} is gone, with its logins.")])


def _confirmed(session: Session, whole: str, said: str, warning: str) -> None:
    """Raises UsageError."""
    if not said and session.is_interactive:
        session.err.write([line(Span(warning, Style.FAILURE))])
        said = session.ask(f"Type {whole} to go on:")
    if said != whole:
        raise UsageError(f"{said!r} is not {whole}" if said else warning, hint=f"--confirm {whole}")
