"""Which authority is asked, as whom, and how patiently. Must not: ask."""

from __future__ import annotations

from pathlib import Path

import msgspec


class AcmeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`account` is the account key's file. `authorities` is a file of roots the directory's own HTTPS is checked with, None: the
    system's. Seconds: `patience` for the authority to decide, `look_every` between two looks, `answer_within` for one HTTP answer.
    """

    directory: str
    email: str
    account: Path
    authorities: Path | None = None
    patience: float = 120.0
    look_every: float = 1.0
    answer_within: int = 10
