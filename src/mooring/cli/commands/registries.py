"""Registries of images that want to know who asks. A password never stands on a command line. Must not: print one."""

from __future__ import annotations

import click

from mooring.cli.options import command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.model.registry import Registry, checked, registry_host


@command("registry add", about_environment=False)
@click.argument("host", metavar="REGISTRY")
@click.option("--username", required=True, help="As whom to come.")
@click.option("--images", default="", metavar="REPOSITORY", help="Let images built here reach hosts through this repository of it.")
def registry_add_command(session: Session, host: str, username: str, images: str) -> None:
    from mooring.cli.secret_input import read_password
    from mooring.usecases.requests import RegistryRequest

    wished = checked(Registry(host=host, username=username, images=images))
    password = read_password(session, f"{username} at {host}", command=f"mooring registry add {host} --username {username}")
    request = RegistryRequest(host=wished.host, username=wished.username, password=password.reveal(), images=wished.images)
    added = session.client.add_registry(request)
    said = f"Images of {added.host} are fetched as {added.username} from now on."
    way = f" What is built here reaches hosts through {added.host}/{added.images}." if added.images else ""
    session.answer(added, [line(Span("✓ ", Style.SUCCESS), said + way)])


@command("registry ls", about_environment=False)
def registry_ls_command(session: Session) -> None:
    from mooring.cli.render.registries import registry_lines

    found = session.client.registries()
    session.answer({"registries": found}, registry_lines(found, width=session.out.width))


@command("registry rm", about_environment=False)
@click.argument("host", metavar="REGISTRY")
def registry_rm_command(session: Session, host: str) -> None:
    removed = session.client.remove_registry(registry_host(host))
    session.answer(removed, [line(f"{removed.host} and its password are forgotten.")])
