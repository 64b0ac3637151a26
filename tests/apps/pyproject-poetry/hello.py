"""One WSGI function, served by waitress: a project known by its lock file."""

import os
from importlib.metadata import version

from waitress import serve

ANSWERS = {"/": "Hello from a locked project\n", "/up": "up\n", "/version": "1\n", "/waitress": version("waitress") + "\n"}


def application(environ, start_response):
    answer = ANSWERS.get(environ["PATH_INFO"])
    start_response("200 OK" if answer else "404 Not Found", [("Content-Type", "text/plain")])
    return [(answer or "not found\n").encode()]


if __name__ == "__main__":
    serve(application, host="0.0.0.0", port=int(os.environ["PORT"]))
