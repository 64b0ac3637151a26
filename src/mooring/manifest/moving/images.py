"""How an image is built, as several dialects say it. Must not: choose a builder."""

from __future__ import annotations

from mooring.manifest.moving.ledger import Ledger
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.reasons import FOR_ENGINES


def add_image(ledger: Ledger, *, dockerfile: Node | None, target: Node | None) -> None:
    """The Dockerfile, seen from its folder, and the stage of it."""
    if dockerfile is not None and dockerfile.text and not ledger.is_covered(dockerfile):
        ledger.maps(dockerfile, "build.dockerfile", dockerfile.text.removeprefix("./"), note=FOR_ENGINES)
    if target is not None and target.text and not ledger.is_covered(target):
        ledger.maps(target, "build.target", target.text, note=FOR_ENGINES)
