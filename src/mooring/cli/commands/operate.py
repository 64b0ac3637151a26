"""Changing what runs: scale, restart, run, maintenance, lock, destroy. Must not: lay out lines."""

from __future__ import annotations

import click

from mooring.cli.options import DETACH, command
from mooring.cli.render.styled import Span, Style, line
from mooring.cli.session import Session
from mooring.errors import InvalidInput, UsageError
from mooring.model.environment import PRODUCTION, EnvironmentId

LARGEST_COUNT = 1000


@command("scale")
@click.argument("counts", nargs=-1, required=True, metavar="PROCESS=COUNT...")
@DETACH
def scale_command(session: Session, counts: tuple[str, ...], detach: bool) -> int:
    from mooring.cli.follow import started

    return started(session, session.client.scale(session.environment, parsed_counts(counts)), is_detached=detach)


@command("restart")
@DETACH
def restart_command(session: Session, detach: bool) -> int:
    from mooring.cli.follow import started

    return started(session, session.client.restart(session.environment), is_detached=detach)


@command("maintenance")
@click.argument("switch", type=click.Choice(["on", "off"]))
def maintenance_command(session: Session, switch: str) -> None:
    environment = session.environment
    session.client.set_maintenance(environment, on=switch == "on")
    said = "shows visitors the maintenance page" if switch == "on" else "answers visitors again"
    session.answer({"environment": str(environment), "maintenance": switch == "on"}, [line(f"{environment} {said}.")])


@command("lock")
@click.option("--reason", default="", help="Why: shown to everybody whose deploy is refused.")
@click.option("--release", "is_release", is_flag=True, help="Take the lock off, as `mooring unlock` does.")
def lock_command(session: Session, reason: str, is_release: bool) -> None:
    if is_release:
        _unlock(session)
        return
    lock = session.client.lock(session.environment, reason=reason)
    because = f" ({reason})" if reason else ""
    session.answer(lock, [line(f"{session.environment} refuses deployments{because} until `mooring unlock`.")])


@command("unlock")
def unlock_command(session: Session) -> None:
    _unlock(session)


def _unlock(session: Session) -> None:
    session.client.unlock(session.environment)
    session.answer({"environment": str(session.environment), "locked": False}, [line(f"{session.environment} takes deployments again.")])


@command("destroy")
@click.option("--confirm", default="", metavar="NAME", help="The environment's name, as `mooring status` shows it.")
@click.option("--services", is_flag=True, help="Its databases and other services too, with all that is in them; else they stay.")
@DETACH
def destroy_command(session: Session, confirm: str, services: bool, detach: bool) -> int:
    from mooring.cli.follow import started

    environment = session.environment
    confirmed = confirm or _asked_for_name(session)
    if confirmed not in _names_of(environment):
        said = f"--confirm says {confirmed!r}, but the environment is {environment}" if confirmed else f"{environment} would be destroyed"
        again = f"mooring destroy -a {environment.app} -e {environment.environment} --confirm {environment}"
        raise UsageError(said, hint=f"to remove it with all that it owns: {again}")
    return started(session, session.client.destroy(environment, confirm=str(environment), services=services), is_detached=detach)


def _names_of(environment: EnvironmentId) -> tuple[str, ...]:
    """`shop/staging`; for production also `shop`."""
    is_production = environment.environment == PRODUCTION
    return (str(environment), str(environment.app)) if is_production else (str(environment),)


def _asked_for_name(session: Session) -> str:
    if not session.is_interactive:
        return ""
    session.err.write([line(Span(f"{session.environment} and all that it owns will be removed. There is no way back.", Style.FAILURE))])
    return session.ask("Type its name to go on:")


@command("run")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND...")
def run_command(session: Session, words: tuple[str, ...]) -> int:
    from mooring.cli.remote_command import run_remotely

    return run_remotely(session, words)


@command("exec")
@click.argument("instance", metavar="[APP.]PROCESS[.NUMBER]")
@click.argument("words", nargs=-1, required=True, metavar="-- COMMAND...")
@click.option("-i", "--input", "takes_input", is_flag=True, help="Pass on what is typed at this terminal. Piped input is always passed on.")
@click.option("-t", "--tty", "is_terminal", is_flag=True, help="Give the command a terminal: this one.")
def exec_command(session: Session, instance: str, words: tuple[str, ...], takes_input: bool, is_terminal: bool) -> int:
    from mooring.cli.remote_command import run_inside
    from mooring.cli.target import target

    return run_inside(session, target(session, instance), words, takes_input=takes_input, is_terminal=is_terminal)


@command("cp")
@click.argument("source", metavar="FROM")
@click.argument("destination", metavar="TO")
def cp_command(session: Session, source: str, destination: str) -> None:
    from mooring.cli.copying import copy

    copy(session, source, destination)


def parsed_counts(texts: tuple[str, ...]) -> dict[str, int]:
    """`web=3 worker=2` as a mapping; raises InvalidInput, InvalidName."""
    from mooring.model.names import process_name

    counts: dict[str, int] = {}
    for text in texts:
        name, separator, amount = text.partition("=")
        if not separator or not amount.isascii() or not amount.isdigit() or len(amount) > 4 or int(amount) > LARGEST_COUNT:
            raise InvalidInput(
                f"{text!r} does not say how many", hint=f"write PROCESS=COUNT with a count from 0 to {LARGEST_COUNT}, like web=3"
            )
        if process_name(name) in counts:
            raise InvalidInput(f"{name} is given twice", hint="say each process type once")
        counts[name] = int(amount)
    return counts
