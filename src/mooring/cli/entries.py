"""What the catalogue of commands is made of. Must not: import anything, or know a command."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    line: str
    meaning: str


class Command(NamedTuple):
    """`path` is what is typed after `mooring`; `module` the file under `commands/` that has a function of that name."""

    path: str
    module: str
    summary: str
    about: str
    examples: tuple[Example, ...]

    @property
    def function(self) -> str:
        """The name of the command object in its module."""
        return self.path.replace(" ", "_").replace("-", "_") + "_command"


class Section(NamedTuple):
    title: str
    commands: tuple[Command, ...]


class Group(NamedTuple):
    """A word that has commands of its own below it. `usual` is the one that is meant when none is named."""

    path: str
    summary: str
    usual: str = ""


def entry(path: str, module: str, summary: str, *examples: tuple[str, str], about: str = "") -> Command:
    """One line of the catalogue."""
    return Command(path, module, summary, about, tuple(Example(*example) for example in examples))
