"""Directories that count as made only once they are finished, whoever dies in between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mooring.drivers.builder.shelf import Shelf
from mooring.errors import InvalidInput


async def made(shelf: Shelf, name: str, *, content: str = "x") -> Path:
    async with shelf.hold(name):
        shelf.place(name).mkdir()
        (shelf.place(name) / "file").write_text(content)
        await shelf.finish(name, b"record")
    return shelf.place(name)


async def test_a_directory_counts_only_when_it_is_finished(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.place("a").mkdir()
    assert shelf.record("a") is None
    await shelf.finish("a", b"record")
    assert (shelf.record("a"), shelf.names()) == (b"record", {"a"})


async def test_a_record_without_its_directory_counts_for_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    place = await made(shelf, "a")
    place.rename(tmp_path / "elsewhere")
    assert shelf.record("a") is None


async def test_who_asks_for_what_is_being_made_waits_and_finds_it(tmp_path: Path) -> None:
    shelf, other = Shelf(tmp_path), Shelf(tmp_path)
    found: list[bytes | None] = []

    async def wait() -> None:
        async with other.hold("a"):
            found.append(other.record("a"))

    async with shelf.hold("a"):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0.1)
        assert found == []
        shelf.place("a").mkdir()
        await shelf.finish("a", b"record")
    await asyncio.wait_for(waiting, 20)
    assert found == [b"record"]


async def test_sweeping_removes_what_was_left_unfinished_but_not_what_is_being_made(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    kept = await made(shelf, "kept")
    for name in ("left", "inwork"):
        (tmp_path / name / "deep").mkdir(parents=True)
    async with shelf.hold("inwork"):
        assert shelf.sweep() == 1
    assert (kept.exists(), (tmp_path / "left").exists(), (tmp_path / "inwork").exists()) == (True, False, True)


async def test_pruning_frees_what_is_neither_kept_nor_held(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    for name in ("kept", "held", "gone"):
        await made(shelf, name, content="x" * 1000)
    async with shelf.hold("held"):
        assert shelf.prune(frozenset({"kept"})) == 1000
    assert shelf.names() == {"kept", "held"}
    assert not (tmp_path / "gone").exists()


async def test_read_only_directories_can_be_removed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    place = await made(shelf, "a")
    (place / "deep").mkdir()
    (place / "deep" / "file").write_text("x")
    (place / "deep").chmod(0o500)
    place.chmod(0o500)
    await shelf.clear("a")
    assert not place.exists()


def test_a_name_that_is_a_path_is_refused(tmp_path: Path) -> None:
    for name in ("../a", "a/b", "", ".locks", "A"):
        with pytest.raises(InvalidInput):
            Shelf(tmp_path).place(name)
