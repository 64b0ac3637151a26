"""Who is signed in, kept in a signed cookie.

It must not hold anything secret: a signed cookie can be read by whoever has it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue

from minitwit.people import Person, person_by_id
from minitwit.web.services import database


class SchemeAwareSessions(SecureCookieSessionInterface):
    """Cookies for HTTPS only whenever the browser came by HTTPS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure


def sign_in(person: Person) -> None:
    """A fresh session: nothing set before signing in survives it."""
    session.clear()
    session["person"] = person.id
    session.permanent = True


def sign_out() -> None:
    session.clear()


def current_person() -> Person | None:
    """Asked of the database at most once per request."""
    if "person" not in g:
        person_id = session.get("person")
        g.person = person_by_id(database(), person_id) if person_id else None
    found: Person | None = g.person
    return found


def signed_in(view: Callable[..., ResponseReturnValue]) -> Callable[..., ResponseReturnValue]:
    """Give the view its person as first argument, or send the visitor to the login page."""

    @wraps(view)
    def guarded(**arguments: Any) -> ResponseReturnValue:
        person = current_person()
        if person is None:
            return redirect(url_for("accounts.login"))
        return view(person, **arguments)

    return guarded
