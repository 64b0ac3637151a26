"""Logs: bounded on disk, bounded in memory, with the times of their lines, and followed without a gap."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.drivers.runtime.contract import LogQuery
from mooring.drivers.runtime.process import reading, times
from mooring.drivers.runtime.process.following import tell
from mooring.drivers.runtime.process.logfiles import LogFile, LogFiles
from mooring.drivers.runtime.process.logkeeper import LogKeeper
from mooring.drivers.runtime.process.reading import LONGEST_LINE, Follower, last_lines, tail
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.model.instance import CUT, InstanceSpec, LogLine
from mooring.model.names import ProcessName
from mooring.testing.runtime_contract import SHOP, a_key, a_mark


@pytest.fixture
def logs(tmp_path: Path) -> LogFiles:
    return LogFiles(tmp_path / "logs")


def a_log(logs: LogFiles, *, limit: int = 100_000) -> LogFile:
    logs.prepare_instance(a_key(), limit=limit)
    path = logs.release_directory(SHOP, 1) / "web.1.0.stdout.log"
    path.touch()
    (file,) = [file for file in logs.of_instance(a_key()) if file.stream == "stdout"]
    return file


def append(file: LogFile, content: str | bytes) -> None:
    with file.path.open("ab") as output:
        output.write(content if isinstance(content, bytes) else content.encode())


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text for line in lines]


def test_the_last_lines_come_oldest_first_and_an_unfinished_one_too(logs: LogFiles) -> None:
    file = a_log(logs)
    append(file, "".join(f"line {number}\n" for number in range(5000)) + "unfin")
    lines, end = last_lines(file, 3)
    assert texts(lines) == ["line 4998", "line 4999", "unfin"]
    assert end == file.path.stat().st_size - len("unfin")
    assert last_lines(file, 0)[0] == []


def test_what_is_no_utf8_or_redraws_its_line_is_shown_all_the_same(logs: LogFiles) -> None:
    file = a_log(logs)
    append(file, b"caf\xe9\n10%\r20%\rdone\r\n\n\x00\x1b[31mred\n")
    assert texts(last_lines(file, 10)[0]) == ["caf\ufffd", "10%\r20%\rdone", "", "\x00\x1b[31mred"]


def test_a_line_that_is_too_long_is_cut_with_a_mark(logs: LogFiles) -> None:
    file = a_log(logs)
    append(file, "x" * 1_000_000 + "\nshort\n")
    long, short = last_lines(file, 2)[0]
    assert long.text == "x" * LONGEST_LINE + CUT
    assert short.text == "short"


@given(content=st.text(alphabet="ab\n", max_size=40), count=st.integers(0, 9), block=st.integers(1, 9), most=st.integers(1, 50))
def test_the_last_lines_are_those_of_the_whole_file_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, content: str, count: int, block: int, most: int
) -> None:
    file = a_log(LogFiles(tmp_path_factory.mktemp("logs")))
    append(file, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_BLOCK", block)
        patch.setattr(reading, "_MOST_HISTORY", most)
        lines, whole = last_lines(file, count)
        counted = tail(file, count).count
    least = max(len(content) - most, 0)
    known = content[least:] if least == 0 else content[least:].partition("\n")[2]
    pieces = known.splitlines(keepends=True) if least == 0 or "\n" in content[least:] else []
    assert texts(lines) == ([piece.rstrip("\n") for piece in pieces][-count:] if count else [])
    assert counted == len(lines)
    assert whole == max(content.rfind("\n", least) + 1, least)


def test_a_line_is_not_cut_within_a_character(logs: LogFiles) -> None:
    file = a_log(logs)
    append(file, "x" * (LONGEST_LINE - 1) + "é and more\n")
    assert texts(last_lines(file, 1)[0]) == ["x" * (LONGEST_LINE - 1) + CUT]


def test_following_tells_a_long_line_once_and_cut_in_bounded_memory(logs: LogFiles) -> None:
    file = a_log(logs)
    follower = Follower(file, 0)
    told: list[LogLine] = []
    for _ in range(30):
        append(file, "y" * 100_000)
        told += follower.news()
    append(file, "\nnext\n")
    while news := follower.news():
        told += news
    assert [line.text[:4] for line in told] == ["yyyy", "next"]
    assert told[0].text.endswith(CUT)


def test_following_waits_for_the_end_of_a_line(logs: LogFiles) -> None:
    file = a_log(logs)
    follower = Follower(file, 0)
    append(file, "half")
    assert follower.news() == []
    append(file, " done\nnext")
    assert texts(follower.news()) == ["half done"]


def test_a_log_over_its_limit_gives_back_the_disk_of_its_beginning_and_keeps_its_end(logs: LogFiles) -> None:
    file = a_log(logs, limit=200_000)
    keeper = LogKeeper(logs.directory)
    now = time.monotonic()
    for part in range(50):
        append(file, "".join(f"{part:03} {number:06} {'z' * 40}\n" for number in range(400)))
        keeper.look(now := now + 5)
    seen = file.path.stat()
    assert seen.st_blocks * 512 <= 200_000 + 4096
    assert seen.st_size > 800_000  # places in it have not moved
    lines = last_lines(file, 500)[0]
    assert len(lines) == 500
    assert lines[-1].text.startswith("049 000399 ")
    assert all(line.text.endswith("z" * 40) and len(line.text) == 51 for line in lines)
    many = last_lines(file, 100_000)[0]
    assert 1000 < len(many) < 4000  # what is kept, and nothing of what was given back
    assert "\0" not in many[0].text


def test_on_a_full_disk_a_program_goes_on_printing_and_its_log_s_oldest_lines_make_room(logs: LogFiles, tmp_path: Path) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "mooring", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, f"this test mounts a small disk of its own: run it as root ({done.stderr.strip()})"
    try:
        file = a_log(logs, limit=2_000_000)
        keeper = LogKeeper(logs.directory)
        now = time.monotonic()
        for part in range(100):
            if part == 20:
                fill(tmp_path / "filler")
            append(file, "".join(f"{part:03} {number:06} {'z' * 40}\n" for number in range(400)))
            keeper.look(now := now + 5)
        seen = file.path.stat()
        assert seen.st_size > 2_000_000
        many = last_lines(file, 100_000)[0]
        assert len(many) > 2_000, "and what is newest is kept"
        assert (many[-1].text[:10], "\0" in many[0].text) == ("099 000399", False)
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def fill(path: Path) -> None:
    """All that is left of the disk."""
    with pytest.raises(OSError, match="No space left"), path.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


def test_following_goes_on_over_what_was_given_back(logs: LogFiles) -> None:
    file = a_log(logs, limit=50_000)
    keeper, follower = LogKeeper(logs.directory), Follower(file, 0)
    append(file, "a" * 99 + "\n")
    assert len(follower.news()) == 1
    append(file, ("b" * 99 + "\n") * 5_000)
    keeper.look(time.monotonic())
    told = follower.news()
    assert told
    assert not any("\0" in line.text for line in told)


def test_a_release_that_goes_while_logs_are_searched_for_costs_no_other_its_keeper(logs: LogFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory has been listed among the others, and is gone when it is looked into."""
    places = [logs.release_directory(SHOP, release) for release in (1, 2, 3)]
    for release, place in enumerate(places, start=1):
        logs.prepare_instance(a_key(release=release), limit=100_000)
        (place / "web.1.0.stdout.log").write_text("hello\n")
    gone: list[Path] = []

    def vanishing(listing: Callable[[Path], object]) -> Callable[[Path], object]:
        def listed(place: Path) -> object:
            if place in places and not gone:
                gone.append(place)
                shutil.rmtree(place)
            return listing(place)

        return listed

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, vanishing(getattr(os, name)))
    LogKeeper(logs.directory).look(0.0)
    monkeypatch.undo()
    assert len(gone) == 1
    assert [place for place in places if not times.known(place / "web.1.0.stdout.log")] == gone


def test_a_log_that_somebody_emptied_is_read_from_its_new_beginning(logs: LogFiles) -> None:
    file = a_log(logs)
    keeper, follower = LogKeeper(logs.directory), Follower(file, 0)
    append(file, "before\n" * 10)
    keeper.look(0.0)
    assert len(follower.news()) == 10
    os.truncate(file.path, 0)
    append(file, "after\n")
    keeper.look(10.0)
    assert texts(follower.news()) == ["after"]
    assert [size for _, size in times.known(file.path)] == [6]


def test_lines_have_the_times_at_which_the_log_was_seen_to_grow(logs: LogFiles) -> None:
    file = a_log(logs)
    keeper = LogKeeper(logs.directory)
    for number, at in enumerate((1_000.0, 2_000.0, 3_000.0)):
        append(file, f"line {number}\n")
        os.utime(file.path, (at, at))
        keeper.look(number * 10.0)
    lines = last_lines(file, 10)[0]
    assert [(line.text, line.at) for line in lines] == [("line 0", 1_000.0), ("line 1", 2_000.0), ("line 2", 3_000.0)]


def test_without_a_keeper_a_line_has_the_time_of_the_last_change(logs: LogFiles) -> None:
    file = a_log(logs)
    append(file, "line\n")
    os.utime(file.path, (5_000.0, 5_000.0))
    assert last_lines(file, 1)[0][0].at == 5_000.0


def test_the_record_of_times_is_bounded_and_keeps_the_limit(logs: LogFiles) -> None:
    file = a_log(logs, limit=12_345)
    for size in range(40_000):
        times.add(file.path, float(size), size)
    assert times.place(file.path).stat().st_size < 600_000
    assert times.limit_of(file.path) == 12_345
    assert times.known(file.path)[-1] == (39_999.0, 39_999)


async def test_streams_of_one_instance_are_merged_by_time_and_counted_together(logs: LogFiles) -> None:
    a_log(logs)
    place = logs.release_directory(SHOP, 1)
    (place / "web.1.0.stderr.log").touch()
    keeper = LogKeeper(logs.directory)
    for number, stream in enumerate(["stdout", "stderr", "stdout", "stderr"]):
        path = place / f"web.1.0.{stream}.log"
        with path.open("a") as output:
            output.write(f"{number}\n")
        os.utime(path, (100.0 + number, 100.0 + number))
        keeper.look(number * 10.0)
    told = [line async for line in tell(logs, LogQuery(environment=SHOP, lines=3))]
    assert [(line.text, line.stream) for line in told] == [("1", "stderr"), ("2", "stdout"), ("3", "stderr")]


async def test_following_loses_no_line_between_history_and_news(logs: LogFiles) -> None:
    file = a_log(logs)
    append(file, "0\n1\n2")
    seen: list[str] = []
    async with asyncio.timeout(20), aclosing(tell(logs, LogQuery(environment=SHOP, follow=True))) as lines:  # type: ignore[type-var]  # a generator
        async for line in lines:
            seen.append(line.text)
            if line.text == "1":
                append(file, "\n3\n")
            if line.text == "3":
                break
    assert [text for text in seen if text != "2"] == ["0", "1", "3"]
    assert "2" in seen


async def test_a_flood_of_output_is_kept_within_its_bounds_by_the_running_keeper(runtime: ProcessRuntime) -> None:
    command = "while :; do head -c 20000 /dev/zero | tr '\\0' 'x'; echo; sleep 0.01; done"
    spec = InstanceSpec(key=a_key(), command=command, directory="/", is_routed=False, log_bytes=200_000)
    await runtime.start(a_mark(), spec, {})
    path = LogFiles(runtime._logs.directory).of_instance(a_key())
    async with asyncio.timeout(30):
        while not path or path[0].path.stat().st_size < 1_000_000:
            path = [file for file in runtime._logs.of_instance(a_key()) if file.stream == "stdout"]
            await asyncio.sleep(0.1)
        while path[0].path.stat().st_blocks * 512 > 1_000_000:
            await asyncio.sleep(0.1)
    await runtime.stop(a_mark(), a_key(), grace=5)
    told = [line async for line in runtime.logs(LogQuery(environment=SHOP, lines=5, process=ProcessName("web")))]
    assert len(told) == 5
    assert told[-2].text == "x" * 20_000
