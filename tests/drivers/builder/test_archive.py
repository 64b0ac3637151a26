"""Archives that somebody wrote to do harm, and archives that are merely odd."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.builder.archive import ArchiveLimits, extract
from mooring.drivers.builder.tree import tree_digest
from mooring.errors import SourceInvalid

LIMITS = ArchiveLimits(entries=20, total_bytes=100_000, file_bytes=60_000, path_bytes=400, depth=8)
END = bytes(1024)


def header(
    name: bytes,
    *,
    kind: bytes = b"0",
    size: int = 0,
    target: bytes = b"",
    mode: int = 0o644,
    prefix: bytes = b"",
    magic: bytes = b"ustar\x0000",
    size_field: bytes | None = None,
    checksum: int | None = None,
) -> bytes:
    """One tar header, right in every field that is not given wrong."""
    field = size_field if size_field is not None else b"%011o\0" % size
    block = name.ljust(100, b"\0") + b"%07o\0" % mode + b"0000000\0" * 2 + field + b"00000000000\0" + b" " * 8 + kind
    block += target.ljust(100, b"\0") + magic + bytes(64) + b"0000000\0" * 2 + prefix.ljust(155, b"\0")
    block = block.ljust(512, b"\0")
    total = sum(block) if checksum is None else checksum
    return block[:148] + b"%06o\0 " % total + block[156:]


def entry(name: bytes, content: bytes = b"", **fields: object) -> bytes:
    return header(name, size=len(content), **fields) + content + bytes(-len(content) % 512)  # type: ignore[arg-type]  # passed through


def link(name: bytes, target: bytes) -> bytes:
    return header(name, kind=b"2", target=target)


def pax(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    body = b""
    for key, value in records:
        rest = b" " + key + b"=" + value + b"\n"
        length = len(rest) + 1
        while length != len(rest) + len(str(length)):
            length = len(rest) + len(str(length))
        body += str(length).encode() + rest
    return entry(b"pax", body, kind=kind)


CANARY = b"canary"

HOSTILE: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a path that climbs": (lambda _: entry(b"../canary", b"x"), "out of the tree"),
    "a path that climbs in the middle": (lambda _: entry(b"a/../../canary", b"x"), "out of the tree"),
    "a path that climbs and comes back": (lambda _: entry(b"a/../b", b"x"), "out of the tree"),
    "an absolute path": (lambda outside: entry(os.fsencode(outside / "canary"), b"x"), "absolute"),
    "an absolute path in a prefix": (lambda _: entry(b"canary", b"x", prefix=b"/tmp"), "absolute"),
    "a climbing prefix": (lambda _: entry(b"canary", b"x", prefix=b".."), "out of the tree"),
    "a climbing path in a pax header": (lambda _: pax((b"path", b"../canary")) + entry(b"fine", b"x"), "out of the tree"),
    "a climbing path in a GNU long name": (lambda _: entry(b"L", b"../canary\0", kind=b"L") + entry(b"fine", b"x"), "out of the tree"),
    "a NUL in a pax path": (lambda _: pax((b"path", b"a\0b")) + entry(b"fine", b"x"), "NUL"),
    "a directory that climbs": (lambda _: header(b"../evil/", kind=b"5"), "out of the tree"),
    "a hard link to outside": (lambda outside: header(b"h", kind=b"1", target=os.fsencode(outside / "canary")), "hard link"),
    "a hard link inside": (lambda _: entry(b"a", b"x") + header(b"b", kind=b"1", target=b"a"), "hard link"),
    "an absolute link": (lambda outside: link(b"l", os.fsencode(outside)), "absolute"),
    "a link that climbs": (lambda _: link(b"l", b"../canary"), "out of the tree"),
    "a link that climbs from below": (lambda _: link(b"a/l", b"../../canary"), "out of the tree"),
    "a link that climbs after a name": (lambda _: link(b"l", b"a/../../canary"), "goes up again"),
    "a chain of links that climbs": (lambda _: link(b"a/b/up", b"../..") + link(b"x", b"a/b/up/../canary"), "goes up again"),
    "a link, then a file through it": (lambda _: link(b"l", b"d") + entry(b"l/canary", b"x"), "place of another"),
    "a file, then a link in its place": (lambda _: entry(b"l", b"x") + link(b"l", b"d"), "twice"),
    "a link, then a file in its place": (lambda _: link(b"l", b"d") + entry(b"l", b"x"), "twice"),
    "a link over a directory": (lambda _: entry(b"d/f", b"x") + link(b"d", b"e"), "place of another"),
    "a link in a pax header": (lambda outside: pax((b"linkpath", os.fsencode(outside))) + link(b"l", b"fine"), "absolute"),
    "an empty link": (lambda _: link(b"l", b""), "empty"),
    "a file below a file": (lambda _: entry(b"a", b"x") + entry(b"a/b", b"x"), "place of another"),
    "a file twice": (lambda _: entry(b"a", b"x") + entry(b"a", b"y"), "twice"),
    "a file twice by another spelling": (lambda _: entry(b"a/b", b"x") + entry(b"./a//b", b"y"), "twice"),
    "a character device": (lambda _: header(b"null", kind=b"3"), "character device"),
    "a block device": (lambda _: header(b"disk", kind=b"4"), "block device"),
    "a named pipe": (lambda _: header(b"pipe", kind=b"6"), "named pipe"),
    "a contiguous file": (lambda _: header(b"c", kind=b"7"), "contiguous"),
    "a GNU sparse file": (lambda _: header(b"s", kind=b"S"), "sparse"),
    "a pax sparse file": (lambda _: pax((b"GNU.sparse.major", b"1")) + entry(b"s", b"x"), "sparse"),
    "an unknown type": (lambda _: header(b"u", kind=b"Z"), "unknown type"),
    "a .git": (lambda _: entry(b".git/hooks/post-checkout", b"x"), ".git"),
    "a .GIT further down": (lambda _: entry(b"a/.GIT/config", b"x"), ".git"),
    "no name": (lambda _: entry(b"", b"x"), "no name"),
    "a file called like the top": (lambda _: entry(b"./", b"x"), "no name"),
    "a long path": (lambda _: pax((b"path", b"a/" * 3 + b"b" * 400)) + entry(b"f", b"x"), "longer than 400"),
    "a long part of a path": (lambda _: pax((b"path", b"b" * 256)) + entry(b"f", b"x"), "longer than 255"),
    "a deep path": (lambda _: entry(b"a/" * 9 + b"f", b"x"), "deeper than 8"),
    "too many entries": (lambda _: b"".join(entry(b"f%d" % number) for number in range(21)), "more than 20 entries"),
    "too large a file": (lambda _: entry(b"f", bytes(60_001)), "the limit for a file"),
    "too much together": (lambda _: entry(b"a", bytes(59_000)) + entry(b"b", bytes(59_000)), "more than 100.0 kB"),
    "a size that is claimed": (lambda _: header(b"f", size_field=b"\x80" + bytes(3) + b"\xff" * 8), "the limit for a file"),
    "a size in a pax header": (lambda _: pax((b"size", b"9" * 15)) + entry(b"f", b"x"), "the limit for a file"),
    "a negative size": (lambda _: header(b"f", size_field=b"\xff" * 12), "cannot be read"),
    "a size that is no number": (lambda _: header(b"f", size_field=b"12x45678901\0"), "cannot be read"),
    "a wrong checksum": (lambda _: header(b"f", checksum=1), "checksum"),
    "no tar at all": (lambda _: b"MZ" + os.urandom(2000), "damaged"),
    "a header cut off": (lambda _: header(b"f")[:300], "ends too early"),
    "a content cut off": (lambda _: header(b"f", size=5000) + b"x" * 100, "middle of a file"),
    "a directory with content": (lambda _: entry(b"d/", b"xx", kind=b"5"), "has content"),
    "a pax header without end": (lambda _: entry(b"p", b"99 path=x\n", kind=b"x") + entry(b"f"), "pax header"),
    "a pax header of nonsense": (lambda _: entry(b"p", b"hello", kind=b"x") + entry(b"f"), "pax header"),
    "a pax header twice": (lambda _: pax((b"path", b"a")) + pax((b"path", b"b")) + entry(b"f"), "twice"),
    "a pax header of nothing": (lambda _: pax((b"path", b"a")), "describes nothing"),
    "a global path": (lambda _: pax((b"path", b"a"), kind=b"g") + entry(b"f"), "global header"),
    "an endless name": (lambda _: header(b"L", kind=b"L", size=70_000) + bytes(70_144) + entry(b"f"), "too long"),
    "nothing": (lambda _: b"", "is empty"),
}


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
    archive.write_bytes(gzip.compress(content) if is_zipped and content else content)
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
