"""Refusals and failures as answers: JSON below /api, a page elsewhere.

It must not show a person what an unexpected failure was: the log has it, under the id the page shows.
"""

import logging

from flask import Flask, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from minitwit.logs import request_id
from minitwit.refusals import Refused

# Whoever sends still more gets a reset instead of an answer.
MOST_BYTES_FORGOTTEN = 50 * 1024 * 1024

log = logging.getLogger("minitwit.request")


def render_errors(application: Flask) -> None:
    application.register_error_handler(Refused, _refused)
    application.register_error_handler(RequestEntityTooLarge, _too_large)
    application.register_error_handler(HTTPException, _http)
    application.register_error_handler(Exception, _unexpected)


def _refused(error: Refused) -> ResponseReturnValue:
    return _answer(error.status, error.code, error.message)


def _too_large(_error: RequestEntityTooLarge) -> ResponseReturnValue:
    _read_and_forget(MOST_BYTES_FORGOTTEN)
    return _answer(413, "too-large", "That is more than this server takes at once: a picture has at most 5 MB.")


def _read_and_forget(most_bytes: int) -> None:
    """Take the rest of the body: an answer sent before would be lost in the reset that unread bytes cause."""
    body, read = request.environ["wsgi.input"], 0
    while read < most_bytes and (piece := body.read(1 << 16)):
        read += len(piece)


def _http(error: HTTPException) -> ResponseReturnValue:
    response = error.get_response()
    status = error.code or response.status_code
    if status < 400:
        return response
    return _answer(status, (error.name or "error").lower().replace(" ", "-"), error.description or "")


def _unexpected(_error: Exception) -> ResponseReturnValue:
    # The page must not ask a database for its reader that may be what failed.
    g.person = None
    log.exception("request-failed", extra={"fields": {"path": request.path}})
    return _answer(500, "failed", f"Something went wrong here. Its id in the log is {request_id.get()}.")


def _answer(status: int, code: str, message: str) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return jsonify(error={"code": code, "message": message}), status
    return render_template("error.html", status=status, message=message), status
