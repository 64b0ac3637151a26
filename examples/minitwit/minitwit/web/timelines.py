"""The pages that list posts, and the form that adds one."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from minitwit import metrics, people, posts
from minitwit.web.pictures import sent_picture
from minitwit.web.services import database
from minitwit.web.session import current_person, signed_in

blueprint = Blueprint("timelines", __name__)


@blueprint.get("/")
def home() -> ResponseReturnValue:
    me = current_person()
    if me is None:
        return _page("public", posts.public_timeline(database(), _before()))
    return _page("home", posts.home_timeline(database(), me, _before()))


@blueprint.get("/public")
def public() -> ResponseReturnValue:
    return _page("public", posts.public_timeline(database(), _before()))


@blueprint.get("/mentions")
@signed_in
def mentions(me: people.Person) -> ResponseReturnValue:
    return _page("mentions", posts.mentions_of(database(), me, _before()))


@blueprint.get("/people/<name>")
def person(name: str) -> ResponseReturnValue:
    profile = people.profile(database(), name, current_person())
    return _page("person", posts.person_timeline(database(), profile.person, _before()), profile)


@blueprint.post("/posts")
@signed_in
def publish(me: people.Person) -> ResponseReturnValue:
    posts.publish(database(), me, request.form.get("text", ""), sent_picture("picture"))
    metrics.posts_published.inc()
    flash("Posted.")
    return redirect(url_for("timelines.home"))


def _before() -> int | None:
    """The id below which to go on; nonsense counts as the first page."""
    return request.args.get("before", type=int)


def _page(kind: str, found: list[posts.Post], profile: people.Profile | None = None) -> str:
    older = found[-1].id if len(found) == posts.PAGE_SIZE else None
    return render_template("timeline.html", kind=kind, posts=found, older=older, profile=profile)
