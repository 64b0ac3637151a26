"""Query parameters that several routes take. Must not: hold a route."""

from __future__ import annotations

from mooring.model.names import LABEL_PATTERN
from mooring.server.query import Parameter
from mooring.usecases.logs import MOST

LARGEST_SEQUENCE = 10**15

APP = Parameter(name="app", kind=str, most=40, pattern=LABEL_PATTERN, about="Only of this app.")
ENVIRONMENT = Parameter(
    name="environment",
    kind=str,
    most=40,
    pattern=LABEL_PATTERN,
    about="Only of this environment of the app; `production` where only the app is named.",
)
LINES = Parameter(name="lines", kind=int, default=100, least=0, most=MOST, about="How many of the latest of each instance to begin with.")
FOLLOW = Parameter(name="follow", kind=bool, default=False, about="Go on with new lines as they come.")
ORIGIN = (
    Parameter(name="digest", kind=str, default="", most=255, about="The digest of the source tree, checked when it is unpacked."),
    Parameter(name="commit", kind=str, default="", most=255, about="The commit that the tree is of."),
    Parameter(name="branch", kind=str, default="", most=255, about="The branch it was on."),
    Parameter(name="message", kind=str, default="", most=10_000, about="The commit's message."),
    Parameter(name="dirty", kind=bool, default=False, about="The tree holds changes that are in no commit."),
)
