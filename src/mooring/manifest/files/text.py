"""From a file's bytes to text, or a problem: size, encoding, byte order marks. Must not: know what the text means."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.manifest.problems import Problems

LARGEST = 1_000_000
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def text_of(files: Mapping[str, bytes], name: str, *, problems: Problems) -> str | None:
    """The file's text without its byte order mark; None when it is absent, or unreadable (then there is a problem)."""
    content = files.get(name)
    if content is None:
        return None
    if len(content) > LARGEST:
        problems.add(
            name,
            0,
            message=f"the file has {len(content):,} bytes; at most {LARGEST:,} are read",
            hint="this is not the place for data: move it out",
        )
        return None
    try:
        return content.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        _report(content, error, name=name, problems=problems)
        return None


def _report(content: bytes, error: UnicodeDecodeError, *, name: str, problems: Problems) -> None:
    if content.startswith(_UTF_16):
        problems.add(name, 1, message="the file is UTF-16; it has to be UTF-8", hint="save it again as UTF-8")
        return
    start = error.start + (len(_BOM) if content.startswith(_BOM) else 0)
    line = content.count(b"\n", 0, start) + 1
    problems.add(name, line, message=f"the byte 0x{content[start]:02x} is not UTF-8", hint="save the file again as UTF-8")
