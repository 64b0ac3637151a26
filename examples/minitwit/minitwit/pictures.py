"""Pictures on disk: what is accepted, what it is called, where its thumbnail is.

It must not trust a name or a type that a browser sent: the first bytes decide the type, a hash of all bytes the name.
"""

import hashlib
import os
import re
import secrets
from pathlib import Path

from PIL import Image

from minitwit.refusals import NotAPicture, TooLarge

MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 50_000_000
THUMBNAIL_SIZE = (640, 640)

TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}
NAME = re.compile(r"[0-9a-f]{40}\.(?:png|jpg|gif|webp)")


def suffix_of(content: bytes) -> str | None:
    """The kind of picture its first bytes announce: png, jpg, gif, webp or None."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None


def store_picture(directory: Path, content: bytes) -> str:
    """Keep the picture and return its name. The same bytes are kept once. Raises TooLarge or NotAPicture."""
    if len(content) > MOST_BYTES:
        raise TooLarge(f"A picture has at most {MOST_BYTES // 1024 // 1024} MB.")
    suffix = suffix_of(content)
    if suffix is None:
        raise NotAPicture("A picture must be PNG, JPEG, GIF or WebP.")
    name = f"{hashlib.sha256(content).hexdigest()[:40]}.{suffix}"
    if not (directory / name).exists():
        _write_whole(directory / name, content)
    return name


def is_picture_name(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def thumbnail_path(directory: Path, name: str) -> Path:
    return directory / f"{name}.thumbnail.webp"


def make_thumbnail(directory: Path, name: str) -> None:
    """Scale a stored picture down. Raises OSError or ValueError when the bytes behind the first are no picture."""
    with Image.open(directory / name) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"{picture.width} x {picture.height} pixels are too many")
        picture.thumbnail(THUMBNAIL_SIZE)
        small = picture.convert("RGBA" if "transparency" in picture.info or picture.mode == "RGBA" else "RGB")
    draft = _draft(thumbnail_path(directory, name))
    small.save(draft, "WEBP", quality=80)
    draft.replace(thumbnail_path(directory, name))


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside, sync, rename: a picture is there whole or not at all."""
    draft = _draft(path)
    with draft.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")
