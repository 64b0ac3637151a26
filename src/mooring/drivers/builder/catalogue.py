"""Chooses the builder for a tree: the manifest's word, else the first in order that knows it, with the reason. Must not: build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mooring.drivers.builder.contract import Builder, Detection
from mooring.errors import BuildFailed, NotFound
from mooring.model.build import BuildSettings


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """`others` are the builders that would have done it too, in order."""

    builder: Builder
    reason: str
    others: tuple[Detection, ...] = ()

    @property
    def note(self) -> str:
        """A sentence when another builder knows the tree as well; empty else."""
        if not self.others:
            return ""
        also = " and ".join(detection.reason for detection in self.others)
        return f"{also} too; set build.builder to {self.others[0].builder} if that is what is meant"


class Catalogue:
    """The builders in the order they are asked."""

    def __init__(self, builders: Sequence[Builder]) -> None:
        self._builders = tuple(builders)

    def choose(self, source: Path, settings: BuildSettings) -> Choice:
        """Raises BuildFailed when nothing fits, NotFound when the manifest names a builder that is none."""
        if settings.builder:
            return Choice(builder=self.named(settings.builder), reason="the manifest names it")
        detected = [(builder, detection) for builder in self._builders if (detection := builder.detect(source, settings)) is not None]
        if not detected:
            raise BuildFailed(
                "no builder knows what this is: there is no requirements.txt, pyproject.toml, package.json, index.html, Dockerfile "
                "or Procfile",
                hint="add a Procfile with a line like `web: ./serve --port $PORT`",
            )
        builder, detection = detected[0]
        others = tuple(other for _, other in detected[1:] if not _is_a_last_resort(other))
        return Choice(builder=builder, reason=detection.reason, others=others)

    def named(self, name: str) -> Builder:
        """Raises NotFound."""
        for builder in self._builders:
            if builder.name == name:
                return builder
        names = ", ".join(builder.name for builder in self._builders)
        raise NotFound(f"there is no builder {name!r}", hint=f"the builders are {names}")


def _is_a_last_resort(detection: Detection) -> bool:
    """A Procfile stands beside every kind of app: that it would do as well is no news."""
    return detection.builder == "procfile"
