"""The files of an artifact that go to a bucket: plain ones in folders of any depth, and nothing that a link leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mooring.errors import InvalidInput, Unavailable
from mooring.model.assets import AssetFile, digest_of
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.usecases.asset_files import asset_files, built_folder, opened_asset
from mooring.usecases.workshop import Workshop


def an_artifact(directory: Path, **changes: str) -> Artifact:
    return Artifact(id=ArtifactId("a"), builder="node", reason="", directory=str(directory), size=1, **changes)


def files_of(tree: Path) -> tuple[AssetFile, ...]:
    return asset_files(built_folder(an_artifact(tree), "public"), "public")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "built" / "public"
    (folder / "css").mkdir(parents=True)
    (folder / "app.js").write_bytes(b"one")
    (folder / "css" / "site.css").write_bytes(b"")
    (tmp_path / "key").write_text("the controller's")
    return tmp_path / "built"


def test_plain_files_are_found_by_path_with_digest_and_size(tree: Path) -> None:
    found = files_of(tree)
    assert [(each.path, each.size) for each in found] == [("app.js", 3), ("css/site.css", 0)]
    assert found[0].digest == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    with opened_asset(tree / "public", "app.js") as file:
        assert file.read() == b"one"


def test_a_trees_digest_is_of_names_and_contents(tree: Path) -> None:
    digests = {digest_of(files_of(tree))}
    (tree / "public" / "app.js").write_bytes(b"two")
    digests.add(digest_of(files_of(tree)))
    (tree / "public" / "app.js").rename(tree / "public" / "b.js")
    digests.add(digest_of(files_of(tree)))
    assert len(digests) == 3


@pytest.mark.parametrize("place", ["public/link.js", "public/css/deep"])
def test_a_link_is_refused_wherever_it_leads(tree: Path, place: str) -> None:
    for target in ("../../key", ".", "/etc", "nowhere"):
        (tree / place).symlink_to(target)
        with pytest.raises(InvalidInput, match="an asset is a plain file, and no link or device"):
            files_of(tree)
        (tree / place).unlink()


def test_a_device_is_refused(tree: Path) -> None:
    os.mkfifo(tree / "public" / "pipe")
    with pytest.raises(InvalidInput, match="no link or device"):
        files_of(tree)


@pytest.mark.parametrize("path", ["absent", "public/app.js", "../built/../..", "link", "link/css"])
def test_what_is_no_folder_of_the_artifact_is_refused(tree: Path, path: str) -> None:
    (tree / "link").symlink_to(tree / "public")
    with pytest.raises(InvalidInput, match="is no folder of what was built"):
        built_folder(an_artifact(tree), path)


@pytest.mark.parametrize(
    "name", ["new\nline.js", "back\\slash.js", os.fsdecode(b"half-\xff.js"), "x" * 250 + "/" + "y" * 250 + "/" + "z" * 250]
)
def test_a_name_that_cannot_be_part_of_an_address_is_refused(tree: Path, name: str) -> None:
    place = tree / "public" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"")
    with pytest.raises(InvalidInput, match="cannot be part of an address") as refused:
        files_of(tree)
    assert refused.value.where.isascii()


def test_a_file_that_became_a_link_or_is_gone_is_not_read(tree: Path) -> None:
    for change in (lambda place: place.symlink_to(tree.parent / "key"), lambda place: None):
        (tree / "public" / "app.js").unlink(missing_ok=True)
        change(tree / "public" / "app.js")
        with pytest.raises(Unavailable, match="an asset cannot be read"):
            opened_asset(tree / "public", "app.js")


def test_a_deployment_that_asks_twice_reads_them_once(tree: Path, tmp_path: Path) -> None:
    """For their digest, and for what is to be pushed."""
    workshop = Workshop(tmp_path / "workshop", [])
    found = workshop.assets(an_artifact(tree), "public")
    (tree / "public" / "app.js").unlink()
    assert workshop.assets(an_artifact(tree), "public") == found
    assert [each.path for each in workshop.assets(an_artifact(tree), "public/css")] == ["site.css"]
    assert [each.path for each in workshop.assets(an_artifact(tree), "public")] == ["css/site.css"]


@pytest.mark.parametrize("path", ["/etc", "/"])
def test_a_place_of_this_machine_is_no_folder_of_what_was_built(tree: Path, path: str) -> None:
    with pytest.raises(InvalidInput, match=f"{path} is a place in an image, and the builder node makes none"):
        built_folder(an_artifact(tree), path)
