"""The memory on disk keeps every memory's promises, and keeps them over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mooring.store.memory import SqliteMemory
from mooring.testing.memory_contract import MemoryContract


class TestSqliteMemory(MemoryContract):
    @pytest.fixture
    def empty(self, tmp_path: Path) -> Iterator[SqliteMemory]:
        memory = SqliteMemory.open(tmp_path / "state")
        yield memory
        memory.close()
