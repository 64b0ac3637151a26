"""Archives that somebody wrote to do harm, each with what its refusal says; made byte by byte. Must not: extract one."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

from mooring.drivers.builder.archive import ArchiveLimits

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
    "a climbing path in a second pax header": (
        lambda _: pax((b"path", b"fine"), (b"path", b"../canary")) + entry(b"fine", b"x"),
        "out of the tree",
    ),
    "a pax path over a GNU long name": (
        lambda _: entry(b"L", b"fine\0", kind=b"L") + pax((b"path", b"../canary")) + entry(b"fine", b"x"),
        "out of the tree",
    ),
    "a link's long name that climbs": (
        lambda outside: entry(b"K", os.fsencode(outside) + b"/canary\0", kind=b"K") + link(b"l", b"fine"),
        "absolute",
    ),
    "a path of backslashes and dots only": (lambda _: entry(b"./.././canary", b"x"), "out of the tree"),
    "a hard link in a pax header": (
        lambda outside: pax((b"linkpath", os.fsencode(outside / "canary"))) + header(b"h", kind=b"1", target=b"f"),
        "hard link",
    ),
    "a directory in the place of a link": (lambda _: link(b"d", b"e") + header(b"d/", kind=b"5"), "twice"),
    "a link below a link": (lambda _: link(b"l", b"d") + link(b"l/m", b"x"), "place of another"),
    "a file below a link to the top": (lambda _: link(b"l", b".") + entry(b"l/canary", b"x"), "place of another"),
    "a link that is the top": (lambda _: link(b"./", b"/tmp"), "no name"),
    "a sparse file of the newest kind": (
        lambda _: pax((b"GNU.sparse.major", b"1"), (b"GNU.sparse.realsize", b"1000000000000")) + entry(b"s", b"x"),
        "sparse",
    ),
    "a volume's header": (lambda _: header(b"v", kind=b"V"), "unknown type"),
    "a continuation of another volume": (lambda _: header(b"m", kind=b"M"), "unknown type"),
    "a dump of a directory": (lambda _: header(b"d", kind=b"D"), "unknown type"),
    "a device called a file by its pax header": (lambda _: pax((b"path", b"innocent")) + header(b"disk", kind=b"4"), "block device"),
    "a negative size in a pax header": (lambda _: pax((b"size", b"-1")) + entry(b"f", b"x"), "size is not a number"),
    "a size in other digits": (lambda _: pax((b"size", "١".encode())) + entry(b"f", b"x"), "size is not a number"),
    "a smaller size in a pax header": (lambda _: pax((b"size", b"1")) + entry(b"f", b"x" * 600), "checksum"),
    "a GNU long name that lies about its size": (lambda _: header(b"L", kind=b"L", size=60_000) + bytes(512), "ends too early"),
    "an old tar without a magic": (lambda _: header(b"f", magic=bytes(8)), "checksum"),
    "a gzip in the tar's place": (lambda _: b"\x1f\x8b\x08" + bytes(600), "cannot be read"),
    "a bomb by ratio": (lambda _: gzip.compress(entry(b"f", bytes(59_000)) + entry(b"g", bytes(59_000)) + END), "more than 100.0 kB"),
    "a bomb by count": (lambda _: gzip.compress(b"".join(header(b"d%d/" % n, kind=b"5") for n in range(2000)) + END), "20 entries"),
    "a second archive behind the first": (lambda _: gzip.compress(entry(b"f", b"x") + END) + gzip.compress(bytes(2_000_000)), "goes on"),
    "a gzip with a wrong checksum": (lambda _: gzip.compress(entry(b"f", os.urandom(900)) + END)[:-8] + bytes(8), "cannot be read"),
    "a gzip cut off": (lambda _: gzip.compress(entry(b"f", os.urandom(3000)) + END)[:1500], "cannot be read"),
    "a zip": (lambda _: b"PK\x03\x04" + bytes(600), "damaged"),
}
