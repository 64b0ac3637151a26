"""The fake lender keeps the same promises as the real one."""

from __future__ import annotations

import pytest

from mooring.testing.capacity import FakeCapacity
from mooring.testing.capacity_contract import CapacityContract


class TestFakeCapacity(CapacityContract):
    @pytest.fixture
    def capacity(self) -> FakeCapacity:
        return FakeCapacity()
