"""Review apps: the environment that a branch has to itself, the mark by which it is known as one, and how long it lives.

Must not: know a forge, or decide what becomes of one.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re

import msgspec

from mooring.errors import InvalidName
from mooring.model.capacity import Need
from mooring.model.environment import EnvironmentId
from mooring.model.names import AppName, EnvironmentName, Hostname, VariableName, hostname

BRANCH = "{branch}"
"""Stands in a review hostname for the environment's name, which is made from the branch's."""

_LONGEST_BRANCH = 255  # bytes: a branch is a file's name too
_LONGEST_NAME = 40
_LONGEST_LABEL = 63
_REFUSED = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\A[-./]|[./]\Z|\.lock(?:/|\Z)|\AHEAD\Z")
_STRANGERS = re.compile(r"\Apull-[1-9][0-9]{0,11}:")
_DIGEST = 10  # characters of 5 bits each: among a million branches two meet with a chance of 1 in 2,000


REVIEW_USER = "review"
REVIEW_PASSWORD = VariableName("REVIEW_PASSWORD")
"""The secret that holds the password of a review app; made up where nobody has set it."""


class ReviewAccess(enum.Enum):
    """Who gets to a review app."""

    BASIC = "basic"  # who knows its password
    OPEN = "open"


class ReviewSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `[review]` says. `expire` and `sleep` in seconds, `sleep` 0 for never; `branches` are globs.

    `fork_label`: which label lets a pull request of another repository have one, empty for none. `networks` (CIDR): from where alone one
    gets to them, empty for everywhere. `hostname` empty: a name below localhost.
    """

    branches: tuple[str, ...] = ()
    pull_requests: bool = False
    fork_label: str = "deploy-preview"
    hostname: str = ""
    expire: float = 72 * 3600.0
    sleep: float = 1800.0
    limit: int = 20
    seed: str = ""
    access: ReviewAccess = ReviewAccess.BASIC
    networks: tuple[str, ...] = ()


class ReviewMark(msgspec.Struct, frozen=True, kw_only=True):
    """What makes an environment a review app; one without it is never touched by their lifecycle. Times are wall seconds.

    `head` is the commit that was asked for last, `used_at` when it was brought up or extended last, `seen_at` when somebody visited it.
    `is_warned`: its end was announced. `is_seeded`: its data were laid in. `leaving` says why it is being torn down, empty while it may
    stay.
    """

    branch: str
    head: str = ""
    settings: ReviewSettings = ReviewSettings()
    used_at: float
    expires_at: float
    is_warned: bool = False
    is_seeded: bool = False
    seen_at: float = 0.0
    is_asleep: bool = False  # nothing of it runs until somebody visits it
    leaving: str = ""
    waiting: str = ""  # for room on its hosts: why there is none
    waiting_since: float = 0.0
    need: Need | None = None  # what one more host would have to be like; None: it would be of no use


def idle_since(mark: ReviewMark) -> float:
    """When it was last of use to anybody, wall seconds."""
    return max(mark.used_at, mark.seen_at)


def used_now(mark: ReviewMark, now: float) -> ReviewMark:
    """It is of use: its time begins anew."""
    return msgspec.structs.replace(mark, used_at=now, expires_at=now + mark.settings.expire, is_warned=False)


def branch_name(text: str) -> str:
    """A branch as git allows it, or a stranger's. Raises InvalidName. Source: git-check-ref-format(1)."""
    branch = _STRANGERS.sub("", text)
    if not branch or _REFUSED.search(branch) or len(text.encode("utf-8", "replace")) > _LONGEST_BRANCH:
        raise InvalidName(f"{text[:100]!r} is not the name of a branch", hint="`git branch` lists those that there are")
    return text


def strangers_branch(number: int, branch: str) -> str:
    """What a branch of another repository is called, by the pull request that offers it: no branch of one's own can be called so."""
    return f"pull-{number}:{branch}"


def is_strangers(branch: str) -> bool:
    """Whether it lies in another repository: its review app is given nothing that is secret, and nobody's data."""
    return ":" in branch


def review_environment(app: AppName, branch: str) -> EnvironmentId:
    """The environment of a branch: what can be read of its name, and a digest of all of it, so that no two branches share one.

    With the app's name it makes one label of DNS.
    """
    room = min(_LONGEST_NAME, _LONGEST_LABEL - len(app) - len("--"))
    digest = hashlib.sha256(f"{app}/{branch}".encode()).digest()
    ending = base64.b32encode(digest).decode().lower()[:_DIGEST]
    words = re.sub(r"[^a-z0-9]+", "-", branch.lower()).strip("-")
    words = words if words[:1].isalpha() else f"branch-{words}".rstrip("-")
    readable = words[: room - len(ending) - 1].rstrip("-")
    return EnvironmentId(app=app, environment=EnvironmentName(f"{readable}-{ending}"))


def is_review_of(environment: EnvironmentId, branch: str) -> bool:
    """Whether it is the environment that this branch has to itself."""
    return bool(branch) and environment == review_environment(environment.app, branch)


def review_pattern(text: str) -> str:
    """A hostname of review apps, `{branch}` standing once for what tells them apart. Raises InvalidName."""
    longest = text.replace(BRANCH, "b" * _LONGEST_NAME)
    try:
        is_allowed = text.count(BRANCH) == 1 and not hostname(longest).startswith("*")
    except InvalidName:
        is_allowed = False
    if not is_allowed:
        raise InvalidName(f"{text!r} is no hostname for review apps", hint="write it like {branch}.review.example.com")
    return text


def review_hostname(pattern: str, environment: EnvironmentId) -> Hostname:
    """Where the review app answers; raises InvalidName."""
    return hostname(pattern.replace(BRANCH, environment.environment) if pattern else f"{environment.label}.localhost")
