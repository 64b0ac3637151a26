"""The reference pages of the command line, written from the commands themselves, so that they cannot go stale.

    python -m mooring.cli.reference docs/reference      writes cli.md and exit-codes.md

A test compares the files with what is written here. Must not: describe anything that is not in the code.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mooring.cli import catalogue, entries
from mooring.cli.exit_codes import EXIT_CODES
from mooring.cli.group import LazyGroup, root

PAGES = ("cli.md", "exit-codes.md")
_INTRODUCTION = """\
# The command line

<!-- Written by `python -m mooring.cli.reference`: change src/mooring/cli/catalogue.py or the command instead. -->

`mooring COMMAND --help` shows the same in the terminal.

- **Which app and environment.** Commands about an app take `-a/--app` and `-e/--env`. Without them: `MOORING_APP` and
  `MOORING_ENV`, then `app` in `mooring.toml`, then the name of the directory; `production`. A directory's name that cannot
  be an app's name is refused, never repaired.
- **`--json`.** One JSON document on standard output; for streams (`logs`, `events`, `follow`) one document a line. Progress
  and remarks go to standard error. An error is `{"error": {"code", "message", "hint", "where", "exit_code"}}`.
- **Terminal or not.** On a terminal progress is live. Elsewhere, or with `TERM=dumb`, it is plain lines. `NO_COLOR` turns
  colours off. Characters in logs, commit messages and errors that could steer the terminal are written out, like `\\x1b`.
- **No questions without a terminal.** What needs an answer has an option for it.
- **Ctrl-C** while a deployment is followed stops following, not the deployment.
- **Which platform.** The one on this machine, its state in `MOORING_STATE` (first: `~/.local/state/mooring`), or the one at
  `MOORING_URL` with `MOORING_TOKEN`.
- **Exit codes** are listed in [exit-codes.md](exit-codes.md).
- **Unexpected errors** show one sentence and where the details are; `mooring --debug COMMAND` or `MOORING_DEBUG=1` shows the
  details.
"""


def cli_page() -> str:
    """Every command with its usage, options and examples."""
    parts = [_INTRODUCTION]
    for section in catalogue.SECTIONS:
        parts += [f"## {section.title}", *(_command(command) for command in section.commands)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def exit_codes_page() -> str:
    """Every exit code, its meaning, what to do."""
    rows = [f"| {code.code} | {code.name} | {_cell(code.meaning)} | {_cell(code.what_to_do)} |" for code in EXIT_CODES]
    head = [
        "# Exit codes",
        "",
        "<!-- Written by `python -m mooring.cli.reference`: change src/mooring/cli/exit_codes.py instead. -->",
        "",
        "They are part of the interface: scripts may rely on them. `mooring run` ends with the exit code of the command that it ran.",
        "",
        "| code | name | meaning | what to do |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *rows]) + "\n"


def _command(command: entries.Command) -> str:
    loaded = loaded_command(command.path)
    context = click.Context(loaded, info_name=f"mooring {command.path}")
    usage = " ".join(["mooring", command.path, *loaded.collect_usage_pieces(context)])
    options = [record for parameter in loaded.params if (record := parameter.get_help_record(context)) is not None]
    rows = [f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in options]
    examples = [f"{example.line}    # {example.meaning}" for example in command.examples]
    about = [command.about] if command.about else []
    parts = [f"### mooring {command.path}", command.summary, *about, f"```\n{usage}\n```"]
    return "\n\n".join([*parts, "\n".join(["| option | meaning |", "|---|---|", *rows]), "```sh\n" + "\n".join(examples) + "\n```"])


def _cell(text: str) -> str:
    """Text for a cell of a Markdown table."""
    return text.replace("|", "\\|")


def loaded_command(path: str) -> click.Command:
    """The click command of a path like `config set`."""
    found: click.Command = root()
    for word in path.split(" "):
        assert isinstance(found, LazyGroup)
        below = found.get_command(click.Context(found), word)
        assert below is not None, path
        found = below
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in zip(PAGES, (cli_page(), exit_codes_page()), strict=True):
        (folder / name).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
