"""The command tree, loaded a leaf at a time: only the module of the command that was asked for is imported.

Must not: know what a command does.
"""

from __future__ import annotations

import difflib
import importlib

import click

from mooring.cli import catalogue, entries
from mooring.cli.help_page import root_help
from mooring.errors import UsageError


class LazyGroup(click.Group):
    """A group whose commands come from the catalogue; `prefix` is "" at the root, "config" below `mooring config`.

    `usual` is run when no command is named, also with options alone.
    """

    def __init__(self, *, prefix: str = "", summary: str = "", usual: str = "") -> None:
        super().__init__(
            name=prefix or "mooring", help=summary, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]}
        )
        self.prefix = prefix
        self.usual = usual

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        is_bare = not args or (args[0].startswith("-") and args[0] not in ("-h", "--help"))
        is_asked = not ctx.resilient_parsing  # while a shell completes, what is typed is not all yet
        return super().parse_args(ctx, [self.usual, *args] if self.usual and is_bare and is_asked else args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        heads = [path.split(" ")[0] for path in self._paths()]
        return list(dict.fromkeys(heads))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        path = f"{self.prefix} {cmd_name}".strip()
        group = next((group for group in catalogue.GROUPS if group.path == path), None)
        if group is not None:
            return LazyGroup(prefix=group.path, summary=group.summary, usual=group.usual)
        command = catalogue.find(path)
        return _load(command) if command else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-"):
            raise UsageError(f"there is no command {f'{self.prefix} {word}'.strip()!r}", hint=self._meant(word))
        return super().resolve_command(ctx, args)

    def _meant(self, word: str) -> str:
        close = difflib.get_close_matches(word[:40], self.list_commands(click.Context(self)), n=1)
        return f"did you mean `{f'mooring {self.prefix}'.strip()} {close[0]}`?" if close else "`mooring --help` lists them all"

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(f"{self.prefix} {name}".strip())) for name in self.list_commands(ctx)])

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.prefix:
            super().format_help(ctx, formatter)
        else:
            formatter.write(root_help())

    def _paths(self) -> list[str]:
        start = f"{self.prefix} " if self.prefix else ""
        return [command.path.removeprefix(start) for command in catalogue.commands() if command.path.startswith(start)]


def _load(command: entries.Command) -> click.Command:
    module = importlib.import_module(f"mooring.cli.commands.{command.module}")
    loaded = getattr(module, command.function)
    assert isinstance(loaded, click.Command)
    return loaded


def _summary(path: str) -> str:
    command = catalogue.find(path)
    return command.summary if command else next((group.summary for group in catalogue.GROUPS if group.path == path), "")


def root() -> LazyGroup:
    """The whole program as one click command."""
    group = LazyGroup()
    group.params.append(click.Option(["--debug"], is_flag=True, help="Show the details of unexpected errors."))
    group.callback = _keep_debug
    return group


@click.pass_context
def _keep_debug(context: click.Context, debug: bool) -> None:
    context.obj.is_debug = context.obj.is_debug or debug
