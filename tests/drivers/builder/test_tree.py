"""A tree's digest is of its content: paths, executable bits, bytes and links, and of nothing else."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from mooring.drivers.builder.tree import copy_tree, remove_tree, settle, to_completion, tree_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "d").mkdir(parents=True)
    (root / "a").write_text("one")
    (root / "d" / "b").write_text("two")
    (root / "l").symlink_to("d")
    return root


def test_a_copy_has_the_same_digest(tree: Path, tmp_path: Path) -> None:
    copy_tree(tree, tmp_path / "copy")
    assert tree_digest(tmp_path / "copy") == tree_digest(tree)
    assert (tmp_path / "copy" / "l").readlink() == Path("d")


def test_times_owners_and_empty_directories_change_nothing(tree: Path) -> None:
    before = tree_digest(tree)
    os.utime(tree / "a", (1, 1))
    (tree / "empty").mkdir()
    (tree / "a").chmod(0o600)
    assert tree_digest(tree) == before


def test_a_pipe_that_a_build_left_is_not_waited_for(tree: Path) -> None:
    os.mkfifo(tree / "d" / "pipe")
    settling = threading.Thread(target=settle, args=(tree,), daemon=True)
    settling.start()
    settling.join(60)
    assert not settling.is_alive()


@pytest.mark.parametrize("change", ["bytes", "name", "executable", "target", "kind", "boundary"])
def test_whatever_is_content_changes_it(tree: Path, change: str) -> None:
    before = tree_digest(tree)
    match change:
        case "bytes":
            (tree / "a").write_text("One")
        case "name":
            (tree / "a").rename(tree / "A")
        case "executable":
            (tree / "a").chmod(0o755)
        case "target":
            (tree / "l").unlink()
            (tree / "l").symlink_to("a")
        case "kind":
            (tree / "l").unlink()
            (tree / "l").write_text("d")
        case _:
            (tree / "d" / "b").rename(tree / "db")
    assert tree_digest(tree) != before


def test_removing_does_not_follow_links(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text("x")
    (tree / "out").symlink_to(tmp_path / "outside")
    remove_tree(tree)
    assert not tree.exists()
    assert (tmp_path / "outside" / "canary").exists()


async def test_a_cancellation_waits_until_the_thread_has_ended() -> None:
    started, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        started.set()
        may_end.wait(20)
        ended.append(True)

    task = asyncio.create_task(to_completion(work))
    await asyncio.to_thread(started.wait, 20)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [True]
