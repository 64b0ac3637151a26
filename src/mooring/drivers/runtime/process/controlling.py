"""Takes a terminal as its controlling one, then becomes the command: `python -I -S -E controlling.py /dev/pts/N ARGV…`.

Run as the first process of a new session. Must not: read anything from the terminal.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    sys.path.append(__file__.rsplit("/", 5)[0])  # run by path, without site-packages: the package is found from here

from mooring.drivers.runtime.process import kernel


def main(place: str, argv: list[str]) -> None:
    terminal = os.open(place, os.O_RDWR)  # without O_NOCTTY: it becomes the session's own
    for number in (0, 1, 2):
        os.dup2(terminal, number)
    os.close(terminal)
    kernel.restore_signals()
    os.execvp(argv[0], argv)  # noqa: S606 - the app's own command, as its owner asked


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
