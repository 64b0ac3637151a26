"""The platform on this machine: up, down, state. Must not: speak to anything but the client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from mooring.cli.options import command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError

PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file whose first line is the passphrase under which the keys are sealed into the backup.",
)


@command("up", about_environment=False)
@click.option(
    "--edge",
    type=click.Choice(["envoy", "haproxy", "auto"]),
    help="The proxy in front of the apps (first: envoy; auto: haproxy where it is installed).",
)
@click.option("--http-port", type=click.IntRange(0, 65535), metavar="PORT", help="Where the edge takes HTTP (first: 8080; 0: not at all).")
@click.option(
    "--https-port", type=click.IntRange(0, 65535), metavar="PORT", help="Where the edge takes HTTPS (first: 8443; 0: not at all)."
)
@click.option("--bind", metavar="ADDRESS", help="The address the edge listens on (first: 127.0.0.1).")
@click.option("--api", metavar="ADDRESS:PORT", help="Let the API listen here too; it then takes a token.")
@click.option(
    "--acme-email",
    metavar="ADDRESS",
    help="Order certificates for public hostnames with an account of this address; who gives it agrees to the authority's terms.",
)
@click.option("--acme-directory", metavar="URL", help="Of which authority (first: letsencrypt; also: staging).")
@click.option("--acme-ca-file", metavar="FILE", help="Roots for the authority's own HTTPS (first: the system's).")
@click.option("--acme-dns-hook", metavar="COMMAND", help="The program that sets TXT records, with its arguments: for wildcards.")
@click.option(
    "--unconfined-strangers/--no-unconfined-strangers",
    default=None,
    help="Build and run strangers' pull requests also where nothing keeps their code apart from the platform (first: no).",
)
@click.option("--capacity", metavar="COMMAND", help="The program that lends hosts to review apps without room; `off` for none.")
@click.option("--capacity-limit", type=click.IntRange(1, 1000), metavar="COUNT", help="How many it lends at most (first: 1).")
@click.option("--capacity-idle", metavar="TIME", help="How long nothing has to be on one to give it back (first: 10m).")
def up_command(session: Session, /, **settings: Any) -> None:
    session.check_local("up")
    from mooring.cli.starting import tell, up_lines
    from mooring.client import platform
    from mooring.model.quantity import parse_duration

    if idle := settings.pop("capacity_idle"):
        settings["capacity_idle"] = parse_duration(idle)
    summary = tell(session, platform.start(**settings))
    session.answer(summary, up_lines(summary, width=session.out.width))


@command("down", about_environment=False)
def down_command(session: Session) -> None:
    session.check_local("down")
    from mooring.cli.starting import down_lines, tell
    from mooring.client import platform

    summary = tell(session, platform.stop())
    session.answer(summary, down_lines(summary))


@command("trust", about_environment=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
def trust_command(session: Session, yes: bool) -> None:
    session.check_local("trust")
    from mooring.cli.trust import how_to_trust, install, trust_lines

    acts = how_to_trust(session.variables)
    session.err.write(trust_lines(acts, width=session.err.width))
    if not yes and not (session.is_interactive and session.ask("Install it? (yes/no)") == "yes"):
        raise UsageError("nothing was installed", hint="`mooring trust --yes` installs without asking")
    install(acts)
    session.answer(
        {"certificate": str(acts.certificate), "installed": True}, [line("Programs on this machine trust https://*.localhost now.")]
    )


@command("state backup", about_environment=False)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@PASSPHRASE_FILE
def state_backup_command(session: Session, file: Path, passphrase_file: Path | None) -> None:
    from mooring.client.passphrase import read_passphrase
    from mooring.model.quantity import format_size

    passphrase = read_passphrase(passphrase_file) if passphrase_file else None
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UsageError(f"{file} exists already", hint="choose another name: a backup is never overwritten") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}", hint="choose another place") from error
    try:
        with os.fdopen(descriptor, "wb") as into:
            written, apart = session.client.backup(into, passphrase)
    except BaseException:
        file.unlink(missing_ok=True)  # half a backup is none
        raise
    lines = [line(f"{file} holds what the platform remembers ({format_size(written)}, mode 0600).")]
    if apart:
        lines.append(line(f"Without --passphrase-file this is not in it: {apart}. Keep it elsewhere: no secret can be read without it."))
    session.answer({"file": str(file), "bytes": written, "kept_apart": apart}, lines)


@command("state restore", about_environment=False)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@PASSPHRASE_FILE
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), help="The key that was kept apart from the backup.")
def state_restore_command(session: Session, file: Path, passphrase_file: Path | None, key_file: Path | None) -> None:
    session.check_local("state restore")
    from mooring.cli.starting import tell
    from mooring.client import platform

    if not file.is_file():
        raise InvalidInput(f"there is no file {file}", hint="`mooring state backup FILE` writes one")
    apart = {"passphrase_file": passphrase_file, "key_file": key_file}
    given = {name: str(path.absolute()) for name, path in apart.items() if path is not None}
    summary = tell(session, platform.restore(str(file.absolute()), **given))
    session.answer(summary, [line(f"The state of {file} is back; `mooring up` starts the platform with it.")])
