"""The JSON API: register, post, follow, read. It knows a person by the token they send, never by a cookie.

It must not limit rates: the traffic simulator measures with it.
"""

from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from minitwit import metrics, people, posts
from minitwit.refusals import Refused
from minitwit.web.services import database

blueprint = Blueprint("api", __name__, url_prefix="/api")


@blueprint.post("/register")
def register() -> ResponseReturnValue:
    person = people.register(database(), _text("name"), _text("password"))
    return jsonify(name=person.name, token=people.create_token(database(), person)), 201


@blueprint.post("/login")
def login() -> ResponseReturnValue:
    person = people.authenticate(database(), _text("name"), _text("password"))
    return jsonify(name=person.name, token=people.create_token(database(), person))


@blueprint.get("/posts")
def timeline() -> ResponseReturnValue:
    found = posts.public_timeline(database(), request.args.get("before", type=int))
    return jsonify(posts=[asdict(post) for post in found])


@blueprint.post("/posts")
def publish() -> ResponseReturnValue:
    post = posts.publish(database(), _sender(), _text("text"))
    metrics.posts_published.inc()
    return jsonify(asdict(post)), 201


@blueprint.get("/posts/<int:post_id>")
def post(post_id: int) -> ResponseReturnValue:
    return jsonify(asdict(posts.post_by_id(database(), post_id)))


@blueprint.post("/follow")
def follow() -> ResponseReturnValue:
    people.follow(database(), _sender(), _text("name"))
    return jsonify(following=True)


@blueprint.delete("/follow")
def unfollow() -> ResponseReturnValue:
    people.unfollow(database(), _sender(), _text("name"))
    return jsonify(following=False)


@blueprint.get("/people/<name>")
def person(name: str) -> ResponseReturnValue:
    found = people.profile(database(), name, None)
    return jsonify(name=found.person.name, posts=found.posts, followers=found.followers, following=found.following)


@blueprint.get("/people/<name>/posts")
def person_posts(name: str) -> ResponseReturnValue:
    author = people.person_by_name(database(), name)
    found = posts.person_timeline(database(), author, request.args.get("before", type=int))
    return jsonify(posts=[asdict(post) for post in found])


def _sender() -> people.Person:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return people.person_of_token(database(), token if scheme.lower() == "bearer" else "")


def _text(field: str) -> str:
    """One field of the JSON object sent. Raises Refused when it is no object or the field is no text."""
    body: Any = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise Refused("Send a JSON object, with Content-Type: application/json.")
    value = body.get(field)
    if not isinstance(value, str):
        raise Refused(f'The field "{field}" must be there, as text.')
    return value
