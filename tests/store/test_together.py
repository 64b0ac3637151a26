"""Many threads and processes at one state: readers see whole states, writers take turns, and no number is given twice."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mooring.errors import LeaseHeld
from mooring.model.records import EnvironmentRecord
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import SHOP, a_step, an_event


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[SqliteMemory]:
    memory = SqliteMemory.open(tmp_path / "state")
    memory.save_environment(EnvironmentRecord(environment=SHOP, created_at=0.0))
    yield memory
    memory.close()


def test_writers_of_many_threads_take_turns_and_every_event_gets_its_own_number(memory: SqliteMemory) -> None:
    with ThreadPoolExecutor(8) as pool:
        sequences = [event.sequence for event in pool.map(lambda number: memory.append_event(an_event(str(number))), range(200))]
    assert sorted(sequences) == list(range(1, 201))
    assert len(memory.events()) == 200


def test_readers_are_not_kept_waiting_by_a_writer_and_see_what_was_committed(memory: SqliteMemory) -> None:
    memory.append_event(an_event("before"))
    with memory._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM events")
        seen = _in_thread(memory.events)
    assert [event.fields["message"] for event in seen] == ["before"]
    assert memory.events() == ()


def test_a_reader_never_sees_half_a_snapshot(memory: SqliteMemory) -> None:
    def write() -> None:
        for number in range(30):
            memory.put_config(SHOP, changes={f"V{name}": str(number) for name in range(8)}, by="anna", at=1.0)

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while writer.is_alive() or not seen:
        versions = memory.config_versions(SHOP)
        if versions:
            values = memory.config(SHOP, versions[-1].version)
            assert len(values) == 8
            assert len(set(values.values())) == 1
            seen += 1
    writer.join()


def test_of_many_who_want_a_lease_one_gets_it(memory: SqliteMemory) -> None:
    def take(number: int) -> int | None:
        try:
            return memory.take_lease(SHOP, holder=f"c{number}", now=0.0, dead_after=15.0).fence
        except LeaseHeld:
            return None

    with ThreadPoolExecutor(8) as pool:
        fences = list(pool.map(take, range(16)))
    assert [fence for fence in fences if fence is not None] == [1]


APPENDER = """
import sys
from pathlib import Path
from mooring.store.memory import SqliteMemory
from mooring.testing.samples import SHOP, a_step
memory = SqliteMemory.open(Path(sys.argv[1]))
for _ in range(100):
    print(memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0))
"""


def test_two_processes_share_a_state_that_neither_had_made(tmp_path: Path) -> None:
    """Both find no state and make one; one of the two counts, and both write to it."""
    argv = [sys.executable, "-c", APPENDER, str(tmp_path / "state")]
    processes = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        outputs = [process.communicate(timeout=60)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    memory = SqliteMemory.open(tmp_path / "state")
    given = sorted(int(line) for output in outputs for line in output.splitlines())
    assert given == [entry.sequence for entry in memory.open_intents()] == list(range(1, 201))
    memory.close()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["mooring.db"]


def test_two_who_set_the_first_value_at_once_make_one_key(memory: SqliteMemory, tmp_path: Path) -> None:
    other = SqliteMemory.open(tmp_path / "state")
    with ThreadPoolExecutor(2) as pool:
        versions = sorted(
            pool.map(lambda pair: pair[0].put_config(SHOP, changes={pair[1]: "1"}, by="anna", at=1.0), [(memory, "A"), (other, "B")])
        )
    assert versions == [1, 2]
    assert memory.config(SHOP, 2) == other.config(SHOP, 2) == {"A": "1", "B": "1"}
    other.close()


def test_the_journal_has_no_gap_however_it_is_written(memory: SqliteMemory) -> None:
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: memory.write_intent(deployment=None, environment=SHOP, step=a_step(), fence=1, at=1.0), range(100)))
    assert sorted(given) == [entry.sequence for entry in memory.open_intents()] == list(range(1, 101))


def _in_thread(ask: Callable[[], tuple[object, ...]]) -> tuple[object, ...]:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(timeout=30)
