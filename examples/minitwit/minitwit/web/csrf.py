"""Forms carry a token that only our own pages know; a form without it is refused.

It must not guard the JSON API: that reads no cookie, so no other site can act in somebody's name there.
"""

import hmac
import secrets

from flask import Flask, request, session

from minitwit.refusals import Refused


def protect(application: Flask) -> None:
    application.before_request(_check)
    application.context_processor(lambda: {"csrf_token": csrf_token})


def csrf_token() -> str:
    if "csrf" not in session:
        session["csrf"] = secrets.token_urlsafe(24)
    token: str = session["csrf"]
    return token


def _check() -> None:
    if request.method in ("GET", "HEAD", "OPTIONS") or request.blueprint in ("api", None):
        return
    expected, sent = session.get("csrf", ""), request.form.get("csrf_token", "")
    if not expected or not hmac.compare_digest(expected.encode(), sent.encode()):
        raise Refused("This form is out of date. Go back, load the page again, and send it once more.")
