"""The how-to page on moving over: its examples are cases, its tables what is made of them. Run as a program, it writes the page."""

from __future__ import annotations

from pathlib import Path

from core.moving.cases import FOLDER, source, translation

from mooring.cli.render.moving import translation_lines
from mooring.cli.render.styled import joined

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "moving-over.md"
EXAMPLES = {
    "Docker Compose": ("example-compose", "compose", "compose.yaml"),
    "Kamal": ("example-kamal", "kamal", "config/deploy.yml"),
    "Fly": ("example-fly", "fly", "fly.toml"),
    "Heroku and Dokku": ("example-heroku", "app.json", "app.json"),
    "A Procfile": ("example-procfile", "Procfile", "Procfile"),
}
_BEGINNING = """\
# How to move over from another tool

<!-- Written by `.venv/bin/python tests/core/moving/page.py` from tests/cases/moving: change that instead. -->

    mooring init --from compose         # compose.yaml, or docker-compose.yml
    mooring init --from kamal           # config/deploy.yml
    mooring init --from fly             # fly.toml
    mooring init --from heroku          # heroku.yml; app.json and Procfile by their own names
    mooring init --from path/to/file    # whose it is, is seen by its name, else by its keys

writes `mooring.toml`, each line with where it comes from, and says of **every** key of the file what became of it: mapped, partly mapped,
needs no key (Mooring does it anyway), not yet, not mapped with what to do instead, or unknown. `--json` says the same to a program. A
`mooring.toml` that exists is left alone, unless you say `--force`.

- What is written is valid: Mooring's own reader has read it. `mooring plan` shows what it comes to.
- Secrets stay out of it. A variable whose name or value looks like a secret becomes a `mooring secret set NAME` to type.
- The process type that gets requests is called `web`. Each instance gets a port of its own in `PORT`; where a command names the old one,
  `$PORT` is written.
- Nothing is read but the file: no `.env`, no files that it includes, no variable of your shell. Of `${NAME:-default}` the default is taken.
- A Dockerfile is for hosts with a container engine; volumes of the app itself are not made yet, and what runs beside it is declared by you
  ([accessories](accessories.md)): each is a row, with what to do.

Then, in the order of its last lines: the secrets, `mooring plan`, `mooring deploy`. Let the old platform serve until the new one has; then
move the DNS name.
"""


def page() -> str:
    return "\n".join([_BEGINNING, *(_section(title, *example) for title, example in EXAMPLES.items())])


def _section(title: str, case: str, asked: str, file: str) -> str:
    content = source(case)[1][file].decode()
    table = joined(translation_lines(translation(case), width=120))
    toml = (FOLDER / case / "mooring.toml").read_text().partition("\n# Not taken over:")[0]
    parts = (
        f"## {title}\n",
        _fenced(content),
        f"`mooring init --from {asked}` writes\n",
        _fenced(toml),
        "and says\n",
        _fenced(table, as_text=True),
    )
    return "\n".join(parts)


def _fenced(text: str, *, as_text: bool = False) -> str:
    return f"```{'text' if as_text else ''}\n{text.rstrip()}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page())
