"""A folder of an image becomes files beside the artifact's record, whole or not at all, whatever whoever made the image put there."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from hostile.archives import CANARY, END, HOSTILE, LIMITS, entry, header, link

from mooring.drivers.builder.archive import ArchiveLimits
from mooring.drivers.builder.container.folders import ImageFolders
from mooring.drivers.builder.container.program import Program
from mooring.drivers.builder.contract import OpensFolders
from mooring.drivers.builder.folders import lay_out, place_of
from mooring.errors import InvalidInput, Unavailable
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact

FOLDER = header(b"public/", kind=b"5")


def is_plain(content: bytes) -> bool:
    """Not packed, as only a source may be; and anything at all."""
    return content[:2] not in (b"\x1f\x8b", b"")


class Stream:
    """A builder of images that hold what a test says."""

    def __init__(self, content: bytes, *, breaks: Exception | None = None) -> None:
        self._content = content
        self._breaks = breaks

    @contextmanager
    def folder(self, artifact: Artifact, path: str) -> Iterator[IO[bytes]]:
        yield io.BytesIO(self._content)
        if self._breaks is not None:
            raise self._breaks


_: type[OpensFolders] = Stream


KILLED = """\
#!/bin/sh
case $2 in
    inspect) echo '"/srv"' ;;
    create) echo made ;;
    cp) kill -KILL $$ ;;
esac
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    directory = tmp_path / "artifacts" / "a1"
    directory.mkdir(parents=True)
    return Artifact(id=ArtifactId("a1"), builder="dockerfile", reason="", directory=str(directory), size=1, image="sha256:1")


def laid_out(artifact: Artifact, stream: OpensFolders, tmp_path: Path, *, limits: ArchiveLimits = LIMITS) -> list[str]:
    """The files that it has now."""
    lay_out(artifact, "public", opener=stream, temporary=tmp_path / "tmp", limits=limits)
    place = place_of(artifact, "public")
    return sorted(str(each.relative_to(place)) for each in place.rglob("*"))


def nothing_stays(artifact: Artifact, tmp_path: Path) -> bool:
    return not any((tmp_path / "tmp").iterdir()) and not place_of(artifact, "public").exists()


def test_a_folder_stands_beside_the_record_under_no_name_of_its_own(artifact: Artifact, tmp_path: Path) -> None:
    content = FOLDER + entry(b"public/app.js", b"one") + entry(b"public/css/site.css", b"")
    assert laid_out(artifact, Stream(content + END), tmp_path) == ["app.js", "css", "css/site.css"]
    assert place_of(artifact, "public").parent.parent == Path(artifact.directory)
    assert not any((tmp_path / "tmp").iterdir())


def test_another_that_was_as_quick_has_put_the_same_there(artifact: Artifact, tmp_path: Path) -> None:
    for _ in range(2):
        assert laid_out(artifact, Stream(FOLDER + entry(b"public/app.js", b"one") + END), tmp_path) == ["app.js"]
    assert not any((tmp_path / "tmp").iterdir())


def test_another_image_of_the_same_source_and_another_path_have_places_of_their_own(artifact: Artifact) -> None:
    rebuilt = Artifact(id=artifact.id, builder="dockerfile", reason="", directory=artifact.directory, size=1, image="sha256:2")
    assert len({place_of(artifact, "public"), place_of(rebuilt, "public"), place_of(artifact, "dist")}) == 3


@pytest.mark.parametrize("what", [what for what, (make, _) in HOSTILE.items() if is_plain(make(Path("/nonexistent")))])
def test_a_hostile_stream_is_refused_and_touches_nothing(what: str, artifact: Artifact, tmp_path: Path) -> None:
    make, expected = HOSTILE[what]
    outside = tmp_path / "tmp"
    outside.mkdir()
    (tmp_path / "canary").write_bytes(CANARY)
    content = make(tmp_path) + (END if "cut off" not in what else b"")
    with pytest.raises(InvalidInput) as refusal:
        laid_out(artifact, Stream(content), tmp_path)
    assert expected in refusal.value.message and refusal.value.hint
    assert (tmp_path / "canary").read_bytes() == CANARY
    assert nothing_stays(artifact, tmp_path)


@pytest.mark.parametrize(
    "content",
    [entry(b"public", b"x"), link(b"public", b"other"), FOLDER + header(b"other/", kind=b"5"), b""],
    ids=["a file", "a link", "two", "nothing"],
)
def test_what_is_no_folder_is_refused(content: bytes, artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="public is no folder of the image"):
        laid_out(artifact, Stream(content + END), tmp_path)
    assert nothing_stays(artifact, tmp_path)


def test_more_than_the_limits_is_refused_before_it_is_written(artifact: Artifact, tmp_path: Path) -> None:
    content = FOLDER + b"".join(entry(b"public/%d" % number, bytes(50_000)) for number in range(3)) + END
    with pytest.raises(InvalidInput, match=r"public of the image is refused at 'public/2'.*more than 100\.0 kB"):
        laid_out(artifact, Stream(content), tmp_path)
    assert nothing_stays(artifact, tmp_path)


def test_a_stream_that_turns_out_not_to_be_whole_leaves_nothing(artifact: Artifact, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="broke off"):
        laid_out(artifact, Stream(FOLDER + END, breaks=Unavailable("broke off")), tmp_path)
    assert nothing_stays(artifact, tmp_path)


def test_an_artifact_that_is_gone_is_told(artifact: Artifact, tmp_path: Path) -> None:
    Path(artifact.directory).rmdir()
    with pytest.raises(Unavailable, match="public of the image cannot be kept: No such file"):
        laid_out(artifact, Stream(FOLDER + END), tmp_path)
    assert nothing_stays(artifact, tmp_path)


def test_a_program_that_was_ended_before_it_said_anything_is_not_taken_for_a_folder_that_is_not_there(
    artifact: Artifact, tmp_path: Path
) -> None:
    """As the one that copies is when its time is over."""
    path = tmp_path / "docker"
    path.write_text(KILLED)
    path.chmod(0o755)
    folders = ImageFolders(Program(path=str(path), socket=tmp_path / "socket", repository="mooring-tests"), label="mooring.builder=tests")
    with pytest.raises(Unavailable, match="the container engine broke off in public of the image"), folders.opened(artifact, "public"):
        raise AssertionError("nothing is there to be read")
