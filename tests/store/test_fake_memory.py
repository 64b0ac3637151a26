"""The fake memory keeps the same promises as the real one, and fails when it is told to."""

from __future__ import annotations

import pytest

from mooring.errors import OutcomeUnknown, Unavailable
from mooring.model.records import EnvironmentRecord
from mooring.testing.memory import FakeMemory
from mooring.testing.memory_contract import MemoryContract
from mooring.testing.samples import BLOG, SHOP, a_step


class TestFakeMemory(MemoryContract):
    @pytest.fixture
    def empty(self) -> FakeMemory:
        return FakeMemory()


def test_the_nth_write_fails_and_changes_nothing_and_the_next_one_works() -> None:
    memory = FakeMemory()
    memory.faults.fail_the_write(2)
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    with pytest.raises(Unavailable, match="the disk is full"):
        memory.save_environment(EnvironmentRecord(environment=BLOG, created_at=0.0))
    assert memory.environment(BLOG) is None
    memory.save_environment(EnvironmentRecord(environment=BLOG, created_at=0.0))
    assert memory.environment(BLOG) is not None


def test_a_write_whose_answer_is_lost_has_landed() -> None:
    memory = FakeMemory()
    memory.faults.lose_the_answer(1, OutcomeUnknown("the answer was lost"))
    with pytest.raises(OutcomeUnknown):
        memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0)
    assert len(memory.open_intents()) == 1


def test_a_hook_sees_every_write_by_number_and_name() -> None:
    memory = FakeMemory()
    seen: list[tuple[int, str]] = []
    memory.faults.before = lambda count, name: seen.append((count, name))
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    memory.take_lease(SHOP, holder="c1", now=0.0, dead_after=1.0)
    memory.lease(SHOP)
    assert seen == [(1, "save_environment"), (2, "take_lease")]
