"""What the store's tests share."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

pytest.register_assert_rewrite("mooring.testing.memory_contract")


@pytest.fixture
def unwritable_disk() -> Callable[[], AbstractContextManager[None]]:
    """As on a disk without space: the system refuses every write to a file of this process (Python ignores the signal)."""

    @contextmanager
    def unwritable() -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return unwritable
