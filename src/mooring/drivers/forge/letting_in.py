"""For which commit a label was given, by what a forge remembers of pushes and labels. Must not: guess where it remembers too little.

Both times are the forge's own. What was pushed after the label, or so shortly before it that nobody can have looked at it, was not meant.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

LOOKED_AT = 30.0  # seconds that a commit has to be there before it is labelled: pages show a push late


class HeadSet(msgspec.Struct, frozen=True, kw_only=True):
    """A pull request got this commit as its head, at this time in wall seconds; None where the forge does not say when."""

    commit: str
    at: float | None


def labelled_commit(last: HeadSet | None, label_times: Iterable[float | None]) -> str:
    """`last`: the newest push of all; `label_times`: when it was given the label, in wall seconds. Empty where it was given for another."""
    given = max((at for at in label_times if at is not None), default=None)
    if last is None or last.at is None or given is None or last.at + LOOKED_AT > given:
        return ""
    return last.commit
