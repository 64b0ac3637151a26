"""A release that another environment ran before: which, and what it brings. Must not: ask git.

Notes are bounded by whoever makes them and checked by who keeps them: a release is read often.
"""

from __future__ import annotations

import enum

import msgspec

from mooring.model.names import EnvironmentName

MOST_COMMITS = 50
LONGEST_SUBJECT = 100  # bytes of UTF-8


class History(enum.Enum):
    """How what comes stands to what ran there."""

    FIRST = "first"  # nothing ran there
    KNOWN = "known"  # by the counts; both zero: the same commit
    UNKNOWN = "unknown"  # the repository that was asked does not hold the commit that ran there


class CommitNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`subject` is the first line of its message, as far as it fits."""

    id: str
    subject: str


class Notes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comes since release `since` of there, 0 for none: `brought` commits, the newest in `commits`; `left` that it had do not."""

    history: History
    since: int = 0
    commits: tuple[CommitNote, ...] = ()
    brought: int = 0
    left: int = 0


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """Release `number` of the same app's `environment`, whose artifact is taken over as it is. `notes` None: nobody told any."""

    environment: EnvironmentName
    number: int
    notes: Notes | None = None

    @property
    def origin(self) -> str:
        """`staging v5`."""
        return f"{self.environment} v{self.number}"


def cut_subject(text: str) -> str:
    """One line of printable text within the bounds; what is within them already stays as it is."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return plain.encode("utf-8", "replace")[:LONGEST_SUBJECT].decode("utf-8", "ignore").strip()
