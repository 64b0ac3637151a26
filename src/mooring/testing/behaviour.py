"""How the instances and tasks of a fake runtime behave: data, chosen per process type or release by a test. Must not: act."""

from __future__ import annotations

import msgspec

from mooring.model.health import Listening

WELL = "well"


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds count from each start of the process. `answers` is the HTTP status once it is ready; 0: it gives no answer.

    `memory`: bytes that it holds while it runs.

    `exits_after`: it ends then with `exit_code` (or by `signal`), every time it is started. `stop_takes`: seconds from the
    stop signal to its end. `listens_on`: another place than it was told; None: where it was told, () nowhere.
    For a task: `stop_takes` is not used; it ends after `exits_after` (None: at once).
    """

    ready_after: float = 0.0
    answers: int = 200
    latency: float = 0.001
    memory: int = 1_000_000
    exits_after: float | None = None
    exit_code: int = 1
    signal: str = ""
    is_out_of_memory: bool = False
    stop_takes: float = 0.0
    listens_on: tuple[Listening, ...] | None = None
    lines: tuple[str, ...] = ()
