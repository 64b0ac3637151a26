"""Puts the web application together.

It must not read the environment: settings arrive as a value, so that tests can start several in one process.
"""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from minitwit.database import Database
from minitwit.settings import Settings
from minitwit.web import accounts, api, csrf, errors, following, formats, observed, pictures, status, timelines
from minitwit.web.services import EXTENSION, Services
from minitwit.web.session import SchemeAwareSessions, current_person

# A picture and the form around it.
MOST_REQUEST_BYTES = 6 * 1024 * 1024


def create_application(settings: Settings) -> Flask:
    application = Flask("minitwit")
    application.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MOST_REQUEST_BYTES,
        SESSION_COOKIE_NAME="minitwit",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    application.session_interface = SchemeAwareSessions()
    application.extensions[EXTENSION] = Services(settings, Database(settings.database_url))
    _register(application, settings)
    # One proxy in front: it says whether the browser came by HTTPS.
    application.wsgi_app = ProxyFix(application.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    return application


def _register(application: Flask, settings: Settings) -> None:
    observed.observe(application)
    csrf.protect(application)
    errors.render_errors(application)
    formats.add_filters(application)
    for module in (timelines, accounts, following, pictures, api, status):
        application.register_blueprint(module.blueprint)
    application.context_processor(lambda: {"version": settings.version, "me": current_person()})
