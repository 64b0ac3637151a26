"""What machines ask: is it healthy, what has it counted, which release is it."""

import logging

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from minitwit.metrics import exposition
from minitwit.migrations import NEEDED_VERSION, schema_version
from minitwit.web.services import database, services

blueprint = Blueprint("status", __name__)

log = logging.getLogger("minitwit.health")


@blueprint.get("/health")
def health() -> ResponseReturnValue:
    """200 when the database answers and has this release's schema, else 503 with what is wrong."""
    problem = _problem()
    facts = {"version": services().settings.version, "database": database().kind}
    if problem:
        return jsonify(status="unhealthy", problem=problem, **facts), 503
    return jsonify(status="healthy", **facts)


@blueprint.get("/version")
def version() -> ResponseReturnValue:
    return jsonify(version=services().settings.version)


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    return Response(exposition(database(), services().settings.version), content_type=CONTENT_TYPE_LATEST)


def _problem() -> str | None:
    try:
        found = schema_version(database())
    except SQLAlchemyError:
        log.exception("database-unreachable")
        return "The database does not answer."
    if found < NEEDED_VERSION:
        return f"The schema is at {found}, {NEEDED_VERSION} is needed. Run: python -m minitwit.release"
    return None
