"""The program that lends hosts, as it stands in docs/how-to/capacity.md. Must not: change a word of it."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "capacity.md"


def lender_of_the_page(directory: Path) -> Path:
    """Written into the directory, so that it can be run."""
    program = directory / "lend"
    program.write_text(PAGE.read_text().split("```sh\n")[1].split("```")[0])
    program.chmod(0o700)
    return program
