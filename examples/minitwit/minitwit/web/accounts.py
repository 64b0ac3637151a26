"""Registering, signing in and out, and one's own picture."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from minitwit import people
from minitwit.jobs import THUMBNAIL, add_job
from minitwit.refusals import Refused
from minitwit.web.pictures import sent_picture
from minitwit.web.services import database
from minitwit.web.session import sign_in, sign_out, signed_in

blueprint = Blueprint("accounts", __name__)


@blueprint.route("/register", methods=["GET", "POST"])
def register() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("register.html")
    try:
        sign_in(people.register(database(), *_credentials()))
    except Refused as refusal:
        return render_template("register.html", problem=refusal.message, name=_credentials()[0]), refusal.status
    flash("Welcome! Say something.")
    return redirect(url_for("timelines.home"))


@blueprint.route("/login", methods=["GET", "POST"])
def login() -> ResponseReturnValue:
    if request.method == "GET":
        return render_template("login.html")
    try:
        sign_in(people.authenticate(database(), *_credentials()))
    except Refused as refusal:
        return render_template("login.html", problem=refusal.message, name=_credentials()[0]), refusal.status
    return redirect(url_for("timelines.home"))


@blueprint.post("/logout")
def logout() -> ResponseReturnValue:
    sign_out()
    return redirect(url_for("timelines.public"))


@blueprint.get("/settings")
@signed_in
def settings(me: people.Person) -> ResponseReturnValue:
    return render_template("settings.html")


@blueprint.post("/settings/avatar")
@signed_in
def avatar(me: people.Person) -> ResponseReturnValue:
    picture = sent_picture("picture")
    if picture is None:
        raise Refused("Choose a picture first.")
    people.set_avatar(database(), me, picture)
    with database().writing() as connection:
        add_job(connection, THUMBNAIL, picture)
    flash("That is your picture now.")
    return redirect(url_for("accounts.settings"))


def _credentials() -> tuple[str, str]:
    return request.form.get("name", ""), request.form.get("password", "")
