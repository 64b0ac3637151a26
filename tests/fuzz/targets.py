"""The readers of what others write, each fed any bytes: whatever comes, it ends in a value or in an error for people.

A target takes one input and raises for a fault of the reader. Its name is that of its folder in `corpus/`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from core.manifest.outcomes import outcome

from mooring.drivers.edge.envoy.access_log import decode
from mooring.drivers.edge.envoy.judgement import judged
from mooring.drivers.edge.log_reader import read_lines
from mooring.drivers.edge.traffic import summarize
from mooring.errors import UsageError
from mooring.manifest.moving import translate
from mooring.model.routing import Traffic

CORPUS = Path(__file__).parent / "corpus"
CASES = Path(__file__).parents[1] / "cases" / "manifest"
RUNNABLE = {"Procfile": b"web: x\n"}  # so that a file which says nothing is not already a problem


def mooring_toml(content: bytes) -> None:
    outcome({**RUNNABLE, "mooring.toml": content})


def procfile(content: bytes) -> None:
    outcome({"Procfile": content})


def app_json(content: bytes) -> None:
    outcome({**RUNNABLE, "app.json": content})


def python_version(content: bytes) -> None:
    outcome({**RUNNABLE, ".python-version": content})


def access_log(content: bytes) -> None:
    """As a log that a crash, a full disk or another program left: lines that are none are passed over, and what is read can be counted."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        log = Path(folder) / "access.log"
        log.write_bytes(content)
        lines = read_lines(log, "shop-production", decode, since=0.0, until=2e9)
    traffic = summarize([judged(line) for line in lines])
    assert isinstance(traffic, Traffic)
    assert traffic.requests == len(lines) <= content.count(b"\n") + 1


def moving(content: bytes) -> None:
    """As a file of Compose and of Kamal: what it comes to is read by the manifest's own reader on the way."""
    for name in ("compose.yaml", "deploy.yml"):
        try:
            made = translate({name: content}, name)
        except UsageError:
            continue
        assert made.toml.isprintable() or "\n" in made.toml


TARGETS: dict[str, Callable[[bytes], None]] = {
    "mooring-toml": mooring_toml,
    "procfile": procfile,
    "app-json": app_json,
    "python-version": python_version,
    "access-log": access_log,
    "moving": moving,
}
FILES = {"mooring-toml": "mooring.toml", "procfile": "Procfile", "app-json": "app.json", "python-version": ".python-version"}


def seeds(target: str) -> list[bytes]:
    """What a campaign begins with: the corpus, and that file of every case of the manifest."""
    cases = sorted(CASES.rglob(FILES[target])) if target in FILES else []
    return [path.read_bytes() for path in [*sorted((CORPUS / target).iterdir()), *cases]]
