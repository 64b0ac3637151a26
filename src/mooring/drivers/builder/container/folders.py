"""Reads a folder of an image in this machine's engine: through a container that is made for it, never started, and removed.

What a crash left of one bears a label of the builder's and is removed later. Must not: check what comes, or write it anywhere.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import PurePosixPath
from typing import IO, cast

from mooring.drivers.builder.container.program import Program
from mooring.errors import InvalidInput, SourceInvalid, Unavailable
from mooring.model.release import Artifact

_LONGEST = 600.0  # seconds for all that is read
_PARTING = 1.0  # seconds in which a program whose output has ended has ended too
_TOLD = 500  # characters of what it complains
_CHUNK = 1 << 16
_COMMAND = "-"  # none is ever run, and an image need not have one


class ImageFolders:
    """Of one builder, which `label` names: containers with it are its own, and those that it has not open are left over."""

    def __init__(self, program: Program, *, label: str) -> None:
        self._program = program
        self._label = label
        self._open: set[str] = set()

    @contextmanager
    def opened(self, artifact: Artifact, path: str) -> Iterator[IO[bytes]]:
        """As OpensFolders has it. A relative path begins at the image's WORKDIR."""
        told = self._program.ask("image", "inspect", "--format", "{{json .Config.WorkingDir}}", "--", artifact.image)
        if not told:
            hint = "deploy again: it is built or fetched anew"
            raise Unavailable(f"the image of artifact {artifact.id} is not in the container engine here", hint=hint)
        place = _place(json.loads(told[0]) or "/", path)
        with self._container(artifact) as container:
            yield from self._stream(container, place, path)

    def sweep(self) -> None:
        """Remove what nobody has open: whoever had it has died."""
        listed = self._program.ask("container", "ls", "--all", "--filter", f"label={self._label}", "--format", "{{.Names}}")
        for name in listed:
            if name not in self._open:  # looked up after the engine told it: what was opened meanwhile is not in the list
                self._remove(name)

    @contextmanager
    def _container(self, artifact: Artifact) -> Iterator[str]:
        name = f"{self._program.repository}-folder-{secrets.token_hex(8)}"
        self._open.add(name)
        try:
            words = ("--pull", "never", "--network", "none", "--name", name, "--label", self._label, "--", artifact.image, _COMMAND)
            if not self._program.ask("container", "create", *words):
                hint = "see whether it is well, and has room on its disk"
                raise Unavailable(f"the container engine does not open the image of artifact {artifact.id}", hint=hint)
            yield name
        finally:
            self._remove(name)
            self._open.discard(name)

    def _stream(self, container: str, place: PurePosixPath, path: str) -> Iterator[IO[bytes]]:
        argv = (self._program.path, "container", "cp", "--", f"{container}:{place}", "-")
        with (
            tempfile.TemporaryFile() as complaint,
            subprocess.Popen(  # noqa: S603 - its own words, and a path after the container's name
                argv, env=self._program.variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaint
            ) as process,
        ):
            output = cast(BufferedReader, process.stdout)
            watch = threading.Timer(_LONGEST, process.kill)
            watch.start()
            try:
                if not output.peek(1):
                    if process.wait() < 0:  # by a signal: of whoever watches it here, or of the machine
                        raise _broken_off(path)
                    raise _refused(complaint, place, path, container)
                yield output
                while output.read(_CHUNK):
                    pass  # what pads the archive
                if process.wait():
                    raise _broken_off(path)
            except SourceInvalid as refusal:
                if _has_failed(process):
                    raise _broken_off(path) from refusal
                raise
            finally:
                watch.cancel()
                process.kill()

    def _remove(self, name: str) -> None:
        """With the volumes that it was given. What the engine does not remove now, `sweep` does."""
        self._program.ask("container", "rm", "--force", "--volumes", "--", name)


def _place(directory: str, path: str) -> PurePosixPath:
    place = PurePosixPath("/", directory, path)
    if "\0" in str(place) or place == PurePosixPath("/"):
        hint = "name the folder of assets alone, from WORKDIR or with a / before it"
        raise InvalidInput(f"{path} cannot be taken out of the image", hint=hint, where=str(place).replace("\0", "?"))
    return place


def _refused(complaint: IO[bytes], place: PurePosixPath, path: str, container: str) -> InvalidInput:
    complaint.seek(0)
    said = complaint.read(_CHUNK).decode("utf-8", "replace").strip().replace(container, "made of the image")[:_TOLD]
    hint = "name a folder that the image has; one without a / before it begins at the image's WORKDIR"
    return InvalidInput(f"{path} cannot be taken out of the image: {said}", hint=hint, where=str(place))


def _broken_off(path: str) -> Unavailable:
    return Unavailable(f"the container engine broke off in {path} of the image", hint="see whether it is well, then deploy again")


def _has_failed(process: subprocess.Popen[bytes]) -> bool:
    """And not only been left while it had more to say."""
    try:
        return process.wait(_PARTING) != 0
    except subprocess.TimeoutExpired:
        return False
