"""What a command is given: the client, the environment that is meant, and where answers go. Must not: know any command."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mooring.cli.terminal import Terminal
from mooring.errors import UsageError

if TYPE_CHECKING:
    from mooring.cli.render.styled import Line
    from mooring.client.client import Client
    from mooring.model.environment import EnvironmentId
    from mooring.model.names import AppName


class Session:
    """One run of the program. `connect` makes the client when a command first needs it."""

    def __init__(
        self,
        *,
        stdin: TextIO,
        stdout: TextIO,
        stderr: TextIO,
        variables: Mapping[str, str],
        directory: Path,
        connect: Callable[[], Client] | None = None,
    ) -> None:
        self.stdin = stdin
        self.out = Terminal(stdout, variables)
        self.err = Terminal(stderr, variables)
        self.variables = variables
        self.directory = directory
        self.is_json = False
        self.is_debug = bool(variables.get("MOORING_DEBUG"))
        self._connect = connect or self._reach
        self._app = ""
        self._environment = ""
        self._context = ""

    @cached_property
    def client(self) -> Client:
        """Raises PlatformNotRunning when nobody answers."""
        return self._connect()

    @property
    def is_interactive(self) -> bool:
        """Somebody can be asked: a person at a terminal, and no program that waits for JSON."""
        return self.stdin.isatty() and self.err.is_terminal and not self.is_json

    def ask(self, question: str) -> str:
        """What a person types in answer; only where `is_interactive`."""
        self.err.write_raw(self.err.encodable(f"{question} "))
        return self.stdin.readline().strip()

    @property
    def has_chosen(self) -> bool:
        """An app or environment was named, by option or variable."""
        return bool(self._app or self._environment)

    def choose(self, app: str, environment: str) -> None:
        """Keep what -a and -e say; MOORING_APP and MOORING_ENV speak where they are silent."""
        self._app = app or self.variables.get("MOORING_APP", "")
        self._environment = environment or self.variables.get("MOORING_ENV", "")

    def choose_app(self, name: str) -> None:
        """The app as a part of another word names it. Raises UsageError where an option or variable says another."""
        if self._app not in ("", name):
            raise UsageError(f"the app is {self._app} by option or variable, and {name} here", hint="say it once")
        self._app = name

    def choose_context(self, name: str) -> None:
        """Keep what --context says."""
        self._context = name

    def reach_with(self, connect: Callable[[], Client]) -> None:
        """This client from now on, whatever the context."""
        self._connect = connect

    @property
    def chosen_app(self) -> str:
        """The app that was named, by option or variable; empty when none was."""
        return self._app

    @cached_property
    def context(self) -> str:
        """The platform that is meant, by its name; `local` is this machine's. Raises InvalidInput."""
        from mooring.client.contexts import contexts_file, load, meant

        return meant(self.variables, load(contexts_file(self.variables)), chosen=self._context)

    def check_local(self, what: str) -> None:
        """Raises UsageError when another machine's platform is meant: `what` is done where it is typed."""
        if self.context != "local":
            raise UsageError(
                f"`mooring {what}` works on the machine where it is typed, and the context {self.context!r} is another",
                hint=f"log in there to do it, or say `mooring {what} --context local` to mean this machine",
            )

    def _reach(self) -> Client:
        from mooring.client.client import Client

        if self.context == "local":
            return Client()
        from mooring.client.contexts import contexts_file, load
        from mooring.client.ssh import SshWay

        target = load(contexts_file(self.variables)).target(self.context)
        return Client(way=SshWay(target)) if target else Client()

    @cached_property
    def project(self) -> Path:
        """The directory that describes the app."""
        from mooring.cli.whereabouts import project_directory

        return project_directory(self.directory)

    @cached_property
    def app(self) -> AppName:
        """The app that is meant. Raises InvalidName."""
        from mooring.cli.whereabouts import app_of
        from mooring.model.names import app_name

        return app_name(self._app) if self._app else app_of(self.project)

    @cached_property
    def environment(self) -> EnvironmentId:
        """The environment that is meant. Raises InvalidName."""
        from mooring.model.environment import PRODUCTION, EnvironmentId
        from mooring.model.names import environment_name

        return EnvironmentId(app=self.app, environment=environment_name(self._environment or PRODUCTION))

    def answer(self, value: object, lines: Iterable[Line]) -> None:
        """The result of a command: one JSON document when asked for, else lines."""
        if self.is_json:
            from mooring.cli.render.documents import document

            self.out.write_raw(document(value))
        else:
            self.out.write(lines)

    def stream(self, value: object, lines: Iterable[Line]) -> None:
        """One piece of a result that comes bit by bit."""
        if self.is_json:
            from mooring.cli.render.documents import json_line

            self.out.write_raw(json_line(value))
        else:
            self.out.write(lines)

    def remark(self, text: str) -> None:
        """A sentence beside the result: to standard error, so that it never mixes with it."""
        from mooring.cli.render.styled import Span, Style, hanging

        self.err.write(hanging((Span("· ", Style.DIM),), text, width=self.err.width))
