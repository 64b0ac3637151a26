"""What every memory keeps of what happened; a part of `mooring.testing.memory_contract`. Must not: look inside a memory."""

from __future__ import annotations

from mooring.engine.contract import Memory
from mooring.model.deployment import Revision
from mooring.model.events import Event, EventKind
from mooring.model.names import DeploymentId
from mooring.testing.samples import BLOG, SHOP, an_event


class EventContract:
    def test_events_are_numbered_and_come_in_order(self, memory: Memory) -> None:
        stored = [memory.append_event(an_event(text)) for text in ("one", "two", "three")]
        assert stored[0].sequence < stored[1].sequence < stored[2].sequence
        assert memory.events() == tuple(stored)
        assert memory.events(after=stored[0].sequence) == tuple(stored[1:])
        assert memory.events(after=stored[0].sequence, limit=1) == (stored[1],)

    def test_events_are_found_by_environment_and_by_deployment(self, memory: Memory) -> None:
        mine = memory.append_event(an_event("mine", deployment="d1"))
        other = memory.append_event(an_event("other", environment=BLOG))
        platform = memory.append_event(an_event("platform", environment=None))
        assert memory.events(environment=SHOP) == (mine,)
        assert memory.events(environment=BLOG) == (other,)
        assert memory.events(deployment=DeploymentId("d1")) == (mine,)
        assert memory.events() == (mine, other, platform)

    def test_the_newest_event_of_a_kind_is_found_behind_any_number_of_others(self, memory: Memory) -> None:
        assert memory.newest_event(SHOP, EventKind.TRACES) is None
        for text in ("older", "newer"):
            newest = memory.append_event(Event(at=1.0, kind=EventKind.TRACES, environment=SHOP, fields={"message": text}))
        memory.append_event(an_event("traces of another kind"))
        memory.append_event(Event(at=2.0, kind=EventKind.TRACES, environment=BLOG))
        assert memory.newest_event(SHOP, EventKind.TRACES) == newest

    def test_the_event_given_back_is_the_event_that_is_read_later(self, memory: Memory) -> None:
        fields: dict[str, object] = {"keys": ("A", "B"), "revision": Revision(release=2), "seconds": 0.5, "none": None}
        stored = memory.append_event(Event(at=1.0, kind=EventKind.RECEIPT, fields=fields))
        assert memory.events() == (stored,)
        assert stored.fields["keys"] == ["A", "B"]
