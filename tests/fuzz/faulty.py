"""A campaign against a reader that has a fault: shows that a campaign can fail. Run as a program: `faulty.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz import campaign


def faulty(content: bytes) -> None:
    if content.startswith(b"app"):
        raise ZeroDivisionError


if __name__ == "__main__":
    campaign.TARGETS["mooring-toml"] = faulty
    campaign.main("mooring-toml", Path(sys.argv[1]), ["-runs=4000", "-seed=1"])
