"""What a builder must do: say whether a source tree is its kind and why, and turn it into a directory that can run.

Promises, tested on every driver:
  - `detect` only reads; its reason is a sentence for the build log ("requirements.txt is present").
  - `build` writes only below `output` and the shared `cache`; it gets no secret of the app but
    those that the manifest names for builds, and lets none into what it makes; it ends within
    the limits or raises BuildFailed. Where it is confined, so is every command that runs anything
    of the source's, and after one it writes only where that could not have laid a link.
  - The same source digest and settings give an artifact that runs the same; dependencies alike are installed once.
  - A cancelled build leaves no process behind, and nothing that looks like a finished artifact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NamedTuple, Protocol, runtime_checkable

import msgspec

from mooring.model.build import BuildSettings
from mooring.model.release import Artifact
from mooring.model.secret import Secret

BuildLog = Callable[[str], None]


class Command(NamedTuple):
    """`variables` are all that it has."""

    argv: tuple[str, ...]
    variables: dict[str, str]


class Confines(Protocol):
    """Keeps the commands of one build from what is not its own."""

    def confined(self, command: Command, *, record: Path, writes: Sequence[Path], reads: Sequence[Path]) -> Command:
        """The one that becomes it within these bounds, or does not begin. Of what is hidden it reaches these places; each has to be there.

        The bounds lie at `record` as long as it runs, where it cannot reach them. Raises OSError."""


class Confined(msgspec.Struct, frozen=True, kw_only=True):
    """Of a build whose commands are confined: `owner` says whose it is, `downloads` where package clients keep theirs for it alone."""

    owner: str
    downloads: Path
    by: Confines


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`source` is read-only to the builder; `output` does not exist yet and becomes the artifact's directory; `digest` names the source.

    `secrets`: only for a builder that KeepsSecrets. `is_strangers`: nothing is fetched for it as anybody whom registries know.
    `confined`: what others installed it takes, but they take nothing that its commands made.
    """

    source: Path
    output: Path
    cache: Path
    digest: str
    settings: BuildSettings
    secrets: dict[str, Secret] = {}
    is_strangers: bool = False
    confined: Confined | None = None


class Detection(msgspec.Struct, frozen=True):
    """A yes, with its reason as a sentence."""

    builder: str
    reason: str


class Builder(Protocol):
    @property
    def name(self) -> str: ...

    def detect(self, source: Path, settings: BuildSettings) -> Detection | None: ...

    async def build(self, request: BuildRequest, log: BuildLog) -> Artifact:
        """Build into `request.output`, logging each line. Cancel the task to cancel the build. Raises BuildFailed."""


@runtime_checkable
class KeptElsewhere(Protocol):
    """The optional power of a builder whose artifacts lie outside their directory, as images do in an engine. Each may take seconds."""

    def has(self, artifact: Artifact) -> bool:
        """Whether it is still there."""

    def names(self) -> frozenset[str]:
        """The ids of all that are there. Raises Unavailable where nobody can tell."""

    def prune(self, keep: frozenset[str]) -> int:
        """Remove what this builder made and is not among these artifacts; bytes freed."""


@runtime_checkable
class OpensFolders(Protocol):
    """The optional power of a builder whose artifacts lie outside their directory: to read a folder of one, which may take minutes."""

    def folder(self, artifact: Artifact, path: str) -> AbstractContextManager[IO[bytes]]:
        """What is at that path as a tar stream, all below one name, by whoever made the artifact: nothing of it is checked.

        Raises InvalidInput where there is nothing, Unavailable, also at the end of a stream that was not whole. Leaves nothing behind
        that `prune` of KeptElsewhere does not remove.
        """


@runtime_checkable
class BuildsApart(Protocol):
    """The optional power of a builder that can run nothing of a source's as the user who runs the platform."""

    def is_apart(self, settings: BuildSettings) -> bool:
        """Whether it does not, with these."""


@runtime_checkable
class KeepsSecrets(Protocol):
    """The optional power of a builder that shows secrets to single steps of a build, and to nothing else."""

    @property
    def secret_place(self) -> str:
        """The directory in which such a step finds each, by its name."""
