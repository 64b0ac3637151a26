"""The instances of a fake world, as an edge reaches them: whoever listens answers. Must not: say how, or start anything."""

from __future__ import annotations

from collections.abc import Callable

from mooring.engine.contract import Clock
from mooring.testing.behaviour import Behaviour
from mooring.testing.edge import InstanceLost, Respond
from mooring.testing.life import FakeLife
from mooring.testing.world import FakeWorld


class Upstreams(dict[tuple[str, int], Respond]):
    """By address and port. `respond` says how an instance answers a client's request."""

    def __init__(self, world: FakeWorld, clock: Clock, respond: Callable[[FakeLife, str], Behaviour]) -> None:
        super().__init__()
        self._world = world
        self._clock = clock
        self._respond = respond

    def __contains__(self, place: object) -> bool:
        life = self._life(place)
        return life is not None and any(each.port == life.port for each in life.listening(self._clock.monotonic()))

    def __getitem__(self, place: tuple[str, int]) -> Respond:
        life = self._life(place)
        assert life is not None, f"nobody listens on {place}"
        return lambda path: self._answer(life, place, path)

    async def _answer(self, life: FakeLife, place: object, path: str) -> tuple[int, str]:
        pid, behaviour = life.pid, self._respond(life, path)
        await self._clock.sleep(behaviour.latency)
        life.advance(self._clock.monotonic())
        if life.pid != pid or life.waits_until is not None or self._life(place) is not life:
            raise InstanceLost
        return behaviour.answers, f"hello from {life.spec.key}"

    def _life(self, place: object) -> FakeLife | None:
        address, port = place if isinstance(place, tuple) else ("", 0)
        return self._world.listener(port) if address == "127.0.0.1" and port else None
