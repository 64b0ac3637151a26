"""Certificates of public hostnames. Must not: show a key."""

from __future__ import annotations

import time
from pathlib import Path

import click

from mooring.cli.options import command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.errors import InvalidInput
from mooring.model.names import hostname

_FILE = click.Path(path_type=Path, dir_okay=False)


@command("certs ls", about_environment=False)
def certs_ls_command(session: Session) -> None:
    from mooring.cli.render.certificates import certificate_lines

    found = session.client.certificates()
    session.answer({"certificates": found}, certificate_lines(found, now=time.time(), width=session.out.width))


@command("certs add", about_environment=False)
@click.option("--cert", "chain", type=_FILE, required=True, help="The chain as PEM, the site's own certificate first.")
@click.option("--key", type=_FILE, required=True, help="Its private key as PEM, without a passphrase.")
@click.option("--for", "wanted", metavar="HOSTNAME", default="", help="Refuse it unless it is for this hostname.")
def certs_add_command(session: Session, chain: Path, key: Path, wanted: str) -> None:
    added = session.client.add_certificate(_read(chain) + b"\n" + _read(key), for_hostname=hostname(wanted) if wanted else None)
    shown = f"It is shown for {', '.join(added.shown_for)}." if added.shown_for else "No app is reached under its names yet."
    session.answer(added, [line(f"{added.name} has a certificate of your own, by {added.issuer}."), line(shown)])


@command("certs renew", about_environment=False)
@click.argument("name", metavar="HOSTNAME")
def certs_renew_command(session: Session, name: str) -> None:
    view = session.client.renew_certificate(hostname(name))
    session.answer(view, [line(f"{name} is ordered anew; `mooring certs ls` shows what comes of it.")])


@command("certs remove", about_environment=False)
@click.argument("name", metavar="HOSTNAME")
def certs_remove_command(session: Session, name: str) -> None:
    session.client.remove_certificate(hostname(name))
    session.answer({"name": name, "removed": True}, [line(f"Your own certificate for {name} is removed.")])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", hint="name a file that you may read") from error
