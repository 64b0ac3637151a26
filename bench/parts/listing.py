"""Which benches there are: a name, what it measures, how long it takes; read from their docstrings. Must not: run one."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
TAKES = "Takes about "


@dataclass(frozen=True)
class Bench:
    """`takes` is in words, for a machine with two quiet cores."""

    name: str
    measures: str
    takes: str


def benches(directory: Path = BENCHES) -> list[Bench]:
    """By name. Raises SystemExit for one that does not say how long it takes."""
    return [_read(path) for path in sorted(directory.glob("*.py"))]


def _read(path: Path) -> Bench:
    lines = (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()
    takes = [line.removeprefix(TAKES) for line in lines if line.startswith(TAKES)]
    if not takes:
        raise SystemExit(f"{path} does not say how long it takes: a line of its docstring begins with {TAKES!r}")
    return Bench(path.stem, lines[0], takes[0].rstrip("."))


def main() -> int:
    for bench in benches():
        print(f"bin/bench {bench.name:22} {bench.takes:10}  {bench.measures}")
    print(f"bin/bench {'all':22} {'':10}  every one of them, one after the other")
    return 0


if __name__ == "__main__":
    sys.exit(main())
