"""What whoever lends hosts must do: make one when it is asked, say which there are, and take one back.

Promises, tested by `mooring.testing.capacity_contract` on every driver and on the fake:
  - `add` asked again with the same key gives the same machine and makes no second one, also after an answer was lost.
  - `lent` names every machine that was made for a key of this controller and not taken back, and no other controller's.
  - `remove` leaves nothing of that key; what is gone already, or was never there, is no error.
Raises Unavailable for whatever goes wrong; nothing is known then of what was done. Never a foreign error.
"""

from __future__ import annotations

from typing import Protocol

from mooring.model.capacity import Lent, Need


class Capacity(Protocol):
    """Of one controller, whose name begins every key: `NAME-…`."""

    async def add(self, key: str, need: Need) -> Lent: ...

    async def lent(self) -> tuple[Lent, ...]:
        """By key."""

    async def remove(self, key: str, lent: Lent | None) -> None:
        """`lent`: what `add` gave, where its answer is known."""
