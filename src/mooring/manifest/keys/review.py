"""The keys of review apps. Their defaults are the model's. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import NETWORK, REVIEW_HOSTNAME
from mooring.manifest.kinds.numbers import Duration, Flag, Whole
from mooring.manifest.kinds.texts import Choice, ListOf, Text
from mooring.model.review import ReviewAccess, ReviewSettings

_SETTINGS = ReviewSettings()
_YEAR = 365 * 86_400

REVIEW = Section(
    path="review",
    noun="a table about review apps",
    summary="an environment for every branch, which goes by itself",
    text="`mooring review up BRANCH` makes one. Every other key but `app`, `branch` and `hostnames` may stand below it too, and goes over "
    "what stands at the top, for review apps alone: `[review.env]` is `[env]`, `[review.processes.web]` is `[processes.web]`.",
    keys=(
        Key(
            path="review.branches",
            kind=ListOf(item=Text(noun="a pattern of branches", longest=255), noun="patterns of branches"),
            summary="which branches get a review app without being asked for",
            text="`*` stands for any characters, `?` for one, `[abc]` for one of these. By hand any branch can have one.",
            default_text="none",
            example='[review]\nbranches = ["deploy-*", "feature/*"]',
        ),
        Key(
            path="review.pull_requests",
            kind=Flag(),
            summary="whether every open pull request gets one too",
            text="Of a branch of the app's own repository what its newest commit says counts; of one of another repository "
            "what the branch says that it would be merged into.",
            default=_SETTINGS.pull_requests,
            example="[review]\npull_requests = true",
        ),
        Key(
            path="review.fork_label",
            kind=Text(noun="a label", pattern=r"\A[^\x00-\x1f\x7f]*\Z", rule="a label is one line", longest=255, may_be_empty=True),
            summary='the label that lets a pull request of another repository have a review app; "" for never',
            text="It counts for the commit that it was given for: a later one needs it again. "
            "Such a review app is given no secret, no setting made with `mooring config set` and no copy of a service, and its "
            "mooring.toml is the one of the branch that it would be merged into. When the label is taken away the review app goes.",
            default=_SETTINGS.fork_label,
            example='[review]\npull_requests = true\nfork_label = "safe to run"',
        ),
        Key(
            path="review.hostname",
            kind=REVIEW_HOSTNAME,
            summary="where a review app answers; `{branch}` stands for its own name",
            text="The name is made of the branch's letters and digits and a few characters that are its alone, so that it fits DNS "
            "and no two branches share one.",
            default_text="`APP--NAME.localhost`",
            example='[review]\nhostname = "{branch}.review.example.com"',
        ),
        Key(
            path="review.expire",
            kind=Duration(least=60, most=_YEAR),
            summary="how long it stays after it was last brought up or extended",
            text="A warning comes before the end, when nine tenths are over; `mooring review extend` begins anew.",
            default=_SETTINGS.expire,
            example='[review]\nexpire = "7d"',
        ),
        Key(
            path="review.sleep",
            kind=Duration(most=_YEAR),
            summary='after how long without a request its instances are stopped; "0s" for never',
            text="The next request starts them again: a browser is shown a page that loads by itself, "
            "any other client waits for its answer.",
            default=_SETTINGS.sleep,
            example='[review]\nsleep = "2h"',
        ),
        Key(
            path="review.limit",
            kind=Whole(noun="a limit", least=1, most=10_000, fix="leave it out for the usual one"),
            summary="how many review apps the app may have at once",
            text="One more takes the place of that which has been idle for longest.",
            default=_SETTINGS.limit,
            example="[review]\nlimit = 5",
        ),
        Key(
            path="review.seed",
            kind=Text(noun="a seed command", may_be_empty=True),
            summary="the command that lays in data, once for each review app",
            text="It runs after the release command and before traffic moves, until it has succeeded once. "
            "When it fails, the deployment fails. `mooring review reseed` has it run again.",
            default=_SETTINGS.seed,
            default_text="none",
            example='[review]\nseed = "python manage.py loaddata demo"',
        ),
        Key(
            path="review.access",
            kind=Choice(noun="an access", options=tuple(each.value for each in ReviewAccess)),
            summary="who gets to a review app: who knows its password (`basic`), or everybody (`open`)",
            text="The user is `review`; `mooring review access BRANCH` says the password, which is the secret REVIEW_PASSWORD of its "
            "environment: 64 hexadecimal digits that are made up where nobody has set it. "
            "Search engines are told to pass over all review apps.",
            default=_SETTINGS.access.value,
            example='[review]\naccess = "open"',
        ),
        Key(
            path="review.networks",
            kind=ListOf(item=NETWORK, noun="networks", most=50),
            summary="from which networks alone one gets to a review app, whatever password one knows",
            text="The address that counts is the one that connects to the edge; what a request says of itself (X-Forwarded-For) is never "
            "believed. Behind another proxy all visitors have that proxy's address.",
            default_text="from everywhere",
            example='[review]\nnetworks = ["203.0.113.0/24", "2001:db8::/32"]',
        ),
    ),
)
