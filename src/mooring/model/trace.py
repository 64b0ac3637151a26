"""What is left of an environment that was destroyed, kind by kind, as it was seen when its destruction ended. Must not: look for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing that it had: `left` names what of it is still there, `reason` says why, empty where it should not be.

    `stuck`: what kept that which should not be there from being removed. `unseen`: why nobody could look; what was not seen is not gone.
    """

    kind: str
    left: tuple[str, ...] = ()
    reason: str = ""
    stuck: str = ""
    unseen: str = ""

    @property
    def is_gone(self) -> bool:
        return not self.left and not self.unseen

    @property
    def is_in_order(self) -> bool:
        """Gone, or left for a reason."""
        return not self.unseen and (not self.left or bool(self.reason))


def listing(traces: Iterable[Trace], *, is_public: bool = False) -> str:
    """In a sentence: `gone: instance, route; stays: certificate shop.example.com (why)`.

    `is_public`: without the names of what stays, which tell of hosts and servers.
    """
    told = tuple(traces)
    gone = ", ".join(dict.fromkeys(trace.kind for trace in told if trace.is_gone))
    stays = ", ".join(_stays(trace, is_public=is_public) for trace in told if trace.left)
    unseen = ", ".join(trace.kind if is_public else f"{trace.kind} ({trace.unseen})" for trace in told if trace.unseen)
    parts = (("gone", gone), ("stays", stays), ("could not be looked for", unseen))
    return "; ".join(f"{word}: {said}" for word, said in parts if said)


def held_up(traces: Iterable[Trace], trouble: str) -> tuple[Trace, ...]:
    """As they are where `trouble` ended the removal: it is why there still is what should not be."""
    return tuple(msgspec.structs.replace(trace, stuck=trouble) if trace.left and not trace.reason else trace for trace in traces)


def alarming(traces: Iterable[Trace]) -> Sequence[Trace]:
    """Those that somebody has to know of."""
    return [trace for trace in traces if not trace.is_in_order]


def _stays(trace: Trace, *, is_public: bool) -> str:
    names = "" if is_public else f" {', '.join(trace.left)}"
    return f"{trace.kind}{names} ({trace.reason or 'it should be gone'})"
