"""Archives that somebody wrote to do harm, and archives that are merely odd."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest
from hostile.archives import CANARY, END, HOSTILE, LIMITS, entry, header, link

from mooring.drivers.builder.archive import extract
from mooring.drivers.builder.tree import tree_digest
from mooring.errors import SourceInvalid

GZIP = b"\x1f\x8b"


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("is_zipped", [False, True], ids=["tar", "tar.gz"])
def test_a_hostile_archive_is_refused_in_words_and_touches_nothing(what: str, is_zipped: bool, tmp_path: Path) -> None:
    make, expected = HOSTILE[what]
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").write_bytes(CANARY)
    content = make(outside)
    content += END if content and "cut off" not in what else b""
    archive = tmp_path / "upload"
    archive.write_bytes(gzip.compress(content) if is_zipped and content and content[:2] != GZIP else content)
    with pytest.raises(SourceInvalid) as refusal:
        extract(archive, outside / "inner" / "tree", limits=LIMITS)
    assert expected in refusal.value.message
    assert refusal.value.hint
    assert (outside / "canary").read_bytes() == CANARY
    assert sorted(path.name for path in outside.rglob("*")) == ["canary", "inner"]


def test_a_bomb_is_refused_after_no_more_bytes_than_the_limit(tmp_path: Path) -> None:
    archive = tmp_path / "bomb"
    with gzip.open(archive, "wb") as file:
        for number in range(300):
            file.write(entry(b"f%d" % number, bytes(50_000)))
    with pytest.raises(SourceInvalid, match=r"refused at 'f2'.*more than 100.0 kB"):
        extract(archive, tmp_path / "tree", limits=LIMITS)
    assert not (tmp_path / "tree").exists()


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "upload"
    whole = gzip.compress(entry(b"f", os.urandom(3000)) + END)
    for damaged in (whole[:200], whole[:300] + b"\0\0\0\0" + whole[304:], b"\x1f\x8b", b"\x1f\x8bxxxxxxxxxxxxxxxx"):
        archive.write_bytes(damaged)
        with pytest.raises(SourceInvalid):
            extract(archive, tmp_path / "tree", limits=LIMITS)


def test_an_archive_that_goes_on_after_its_end_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "upload"
    archive.write_bytes(gzip.compress(entry(b"f", b"x") + END + bytes(3_000_000)))
    with pytest.raises(SourceInvalid, match="goes on after its end"):
        extract(archive, tmp_path / "tree")


def test_a_refusal_names_the_entry_without_its_control_characters(tmp_path: Path) -> None:
    archive = tmp_path / "upload"
    archive.write_bytes(header(b"evil\x1b[2J\n", kind=b"6") + END)
    with pytest.raises(SourceInvalid) as refusal:
        extract(archive, tmp_path / "tree")
    assert r"'evil\x1b[2J\n'" in refusal.value.message
    assert "\x1b" not in str(refusal.value)


@pytest.mark.parametrize("dialect", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT], ids=["gnu", "pax", "ustar"])
def test_names_and_bytes_come_out_as_they_went_in(dialect: int, tmp_path: Path) -> None:
    names = [b"plain.txt", b"with space", b"quote'\"`$(x);&|", b"new\nline", "ünïcödé/日本".encode(), b"-rf", b"d/" * 20 + b"x" * 90]
    names += [b"not utf-8 \xff\xfe", b"y" * 200] if dialect == tarfile.GNU_FORMAT else []
    archive = tmp_path / "upload.tar"
    with tarfile.open(archive, "w", format=dialect) as tar:
        for name in names:
            info = tarfile.TarInfo(os.fsdecode(name))
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name))
    result = extract(archive, tmp_path / "tree")
    assert {name: (tmp_path / "tree" / os.fsdecode(name)).read_bytes() for name in names} == {name: name for name in names}
    assert result.entries == len(names)
    assert result.digest == tree_digest(tmp_path / "tree")


def test_owners_modes_and_special_bits_become_our_own_and_only_the_executable_bit_stays(tmp_path: Path) -> None:
    archive = tmp_path / "upload"
    archive.write_bytes(entry(b"s", b"x", mode=0o4777) + entry(b"d/f", b"x", mode=0o000) + header(b"d2/", kind=b"5", mode=0o000) + END)
    extract(archive, tmp_path / "tree")
    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "tree").rglob("*")}
    assert modes == {"s": 0o755, "d": 0o755, "f": 0o644, "d2": 0o755}
    assert {path.stat().st_uid for path in (tmp_path / "tree").rglob("*")} == {os.getuid()}


def test_links_inside_the_tree_are_kept(tmp_path: Path) -> None:
    archive = tmp_path / "upload"
    archive.write_bytes(link(b"bin/run", b"../scripts/run.sh") + link(b"here", b".") + entry(b"scripts/run.sh", b"x", mode=0o755) + END)
    result = extract(archive, tmp_path / "tree")
    assert (tmp_path / "tree" / "bin" / "run").read_bytes() == b"x"
    assert (tmp_path / "tree" / "here").readlink() == Path()
    assert result.digest == tree_digest(tmp_path / "tree")


def test_directories_may_come_before_or_after_what_is_in_them(tmp_path: Path) -> None:
    archive = tmp_path / "upload"
    archive.write_bytes(header(b"./", kind=b"5") + entry(b"./a/f", b"x") + header(b"./a/", kind=b"5") + header(b"b/", kind=b"5") + END)
    assert extract(archive, tmp_path / "tree").entries == 1
    assert (tmp_path / "tree" / "b").is_dir()
