"""What is not as it should be, said so that somebody can act on it. Must not: find it."""

from __future__ import annotations

import msgspec

from mooring.model.host import Weight


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """`subject` is what is in trouble: `host web-1`, `certificate of shop.example.com`. `hint`: what to do.

    `since` in wall seconds, as far back as this controller knows; 0 where it does not know.
    """

    subject: str
    weight: Weight
    said: str
    hint: str
    since: float = 0.0
