"""How a command is declared: name and help from the catalogue, --json everywhere, -a and -e where they mean something.

Must not: run a command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, ParamSpec

import click

from mooring.cli import catalogue, entries
from mooring.cli.session import Session

DETACH = click.option("--detach", is_flag=True, help="Do not follow: name the deployment and end.")

Arguments = ParamSpec("Arguments")
Body = Callable[Concatenate[Session, Arguments], int | None]


def command(path: str, *, about_environment: bool = True, about_app: bool = False) -> Callable[[Body[Arguments]], click.Command]:
    """Make the function the command `mooring PATH`: it gets the Session first, and gives an exit code (None is 0).

    `about_app`: of an app as a whole, where no environment is chosen.
    """

    def declare(body: Body[Arguments]) -> click.Command:
        entry = catalogue.find(path)
        assert entry is not None, f"{path} is not in the catalogue"
        declared = HelpfulCommand(entry, _bound(body), list(reversed(getattr(body, "__click_params__", []))))
        declared.params += _common(about_environment=about_environment, about_app=about_app or about_environment)
        return declared

    return declare


class HelpfulCommand(click.Command):
    """A command whose help ends with the examples of its catalogue entry."""

    def __init__(self, entry: entries.Command, callback: Callable[..., int], params: list[click.Parameter]) -> None:
        self.entry = entry
        help_text = f"{entry.summary}\n\n{entry.about}" if entry.about else entry.summary
        super().__init__(
            name=entry.path.split(" ")[-1],
            help=help_text,
            params=params,
            callback=callback,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        )

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Without the empty piece of an argument that is taken only to be refused."""
        return [piece for piece in super().collect_usage_pieces(ctx) if piece]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            formatter.write_dl([(example.line, example.meaning) for example in self.entry.examples], col_max=44)


def _bound(body: Body[Arguments]) -> Callable[..., int]:
    @click.pass_obj
    def callback(session: Session, /, *arguments: Arguments.args, **options: Arguments.kwargs) -> int:
        session.is_json = bool(options.pop("is_json", False))
        session.choose_context(str(options.pop("chosen_context", "") or ""))
        session.choose(str(options.pop("chosen_app", "") or ""), str(options.pop("chosen_environment", "") or ""))
        return body(session, *arguments, **options) or 0

    return callback


def _common(*, about_environment: bool, about_app: bool) -> list[click.Parameter]:
    app = click.Option(["-a", "--app", "chosen_app"], metavar="NAME", help="The app (default: mooring.toml, or the directory's name).")
    environment = click.Option(["-e", "--env", "chosen_environment"], metavar="NAME", help="The environment (default: production).")
    chosen: list[click.Parameter] = [*([app] if about_app else []), *([environment] if about_environment else [])]
    context = click.Option(["--context", "chosen_context"], metavar="NAME", help="The platform (default: the current context).")
    as_json = click.Option(["--json", "is_json"], is_flag=True, help="Answer with JSON on standard output.")
    return [*chosen, context, as_json]
