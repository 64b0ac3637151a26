"""The follow and unfollow buttons."""

from flask import Blueprint, redirect, url_for
from flask.typing import ResponseReturnValue

from minitwit import people
from minitwit.web.services import database
from minitwit.web.session import signed_in

blueprint = Blueprint("following", __name__)


@blueprint.post("/people/<name>/follow")
@signed_in
def follow(me: people.Person, name: str) -> ResponseReturnValue:
    people.follow(database(), me, name)
    return redirect(url_for("timelines.person", name=name))


@blueprint.post("/people/<name>/unfollow")
@signed_in
def unfollow(me: people.Person, name: str) -> ResponseReturnValue:
    people.unfollow(database(), me, name)
    return redirect(url_for("timelines.person", name=name))
