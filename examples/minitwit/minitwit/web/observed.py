"""Every request leaves a log line and a count, and every answer says which release gave it.

It must not log bodies, cookies or query strings: those may hold what people typed.
"""

import logging
import re
import time
import uuid

from flask import Flask, Response, g, request

from minitwit import metrics
from minitwit.logs import request_id
from minitwit.web.services import services

ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
QUIET_ROUTES = ("/health", "/metrics", "/static/<path:filename>")

log = logging.getLogger("minitwit.request")


def observe(application: Flask) -> None:
    application.before_request(_begin)
    application.after_request(_finish)
    application.teardown_request(_forget)


def _begin() -> None:
    g.started = time.monotonic()
    sent = request.headers.get("X-Request-Id", "")
    request_id.set(sent if ACCEPTED_ID.fullmatch(sent) else uuid.uuid4().hex)


def _forget(_error: BaseException | None) -> None:
    request_id.set(None)


def _finish(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unmatched"
    seconds = time.monotonic() - g.started
    metrics.requests.labels(request.method, route, response.status_code).inc()
    metrics.request_seconds.labels(route).observe(seconds)
    _log(response, route, seconds)
    _mark(response)
    return response


def _log(response: Response, route: str, seconds: float) -> None:
    level = logging.DEBUG if route in QUIET_ROUTES and response.status_code < 400 else logging.INFO
    fields = {
        "method": request.method,
        "path": request.path,
        "route": route,
        "status": response.status_code,
        "milliseconds": round(seconds * 1000, 1),
    }
    log.log(level, "request", extra={"fields": fields})


def _mark(response: Response) -> None:
    response.headers["X-Minitwit-Version"] = services().settings.version
    response.headers["X-Request-Id"] = request_id.get() or ""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault(
        "Content-Security-Policy", "default-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
