"""Taking pictures in and giving them out.

It must not serve a file by a path from outside: only names that pictures.py makes, with the type their name says.
"""

from pathlib import Path

from flask import Blueprint, Response, abort, request, send_file
from flask.typing import ResponseReturnValue

from minitwit.pictures import TYPES, is_picture_name, store_picture, thumbnail_path
from minitwit.web.services import services

blueprint = Blueprint("pictures", __name__)

# The name is a hash of the content, so what it names never changes.
FOREVER = "public, max-age=31536000, immutable"


def sent_picture(field: str) -> str | None:
    """Store the picture of a form and return its name; None when the form has none."""
    sent = request.files.get(field)
    if sent is None or not sent.filename:
        return None
    return store_picture(services().settings.picture_directory, sent.stream.read())


@blueprint.get("/pictures/<name>")
def picture(name: str) -> ResponseReturnValue:
    path = _path(name)
    return _send(path, TYPES[path.suffix[1:]], FOREVER)


@blueprint.get("/pictures/<name>/thumbnail")
def thumbnail(name: str) -> ResponseReturnValue:
    """The small one; until the worker has made it, the picture itself, not to be kept."""
    path = _path(name)
    small = thumbnail_path(path.parent, name)
    if small.exists():
        return _send(small, "image/webp", FOREVER)
    return _send(path, TYPES[path.suffix[1:]], "no-store")


def _path(name: str) -> Path:
    path = services().settings.picture_directory / name
    if not is_picture_name(name) or not path.exists():
        abort(404, "There is no such picture.")
    return path


def _send(path: Path, media_type: str, keep: str) -> Response:
    response = send_file(path, mimetype=media_type, conditional=True)
    response.headers["Cache-Control"] = keep
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
