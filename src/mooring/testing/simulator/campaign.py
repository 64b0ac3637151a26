"""Many stories on all cores: how many rollouts, which cells were hit, which laws were broken, and where. Must not: choose stories."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor

import msgspec

from mooring.engine.clock import SystemClock
from mooring.testing.laws import Violation
from mooring.testing.simulator.cells import Cell, all_cells, empty_cells
from mooring.testing.simulator.chance import story_of
from mooring.testing.simulator.stage import Stage
from mooring.testing.simulator.story import Story

_AT_A_TIME = 25  # stories a worker is given
_SHOWN = 10  # failures kept


class Failure(msgspec.Struct, frozen=True):
    """A story and the laws that were broken in it."""

    story: Story
    violations: tuple[Violation, ...]

    def __str__(self) -> str:
        again = f"--seed {self.story.seed}" if self.story.seed >= 0 else f"--story '{msgspec.json.encode(self.story).decode()}'"
        told = "\n".join(str(each) for each in self.violations)
        return f"{told}\n{shortest(self.story, self.violations)}\nagain: python -m mooring.testing.simulator {again}"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of a campaign or a part of one. `seconds` are real ones."""

    stories: int = 0
    rollouts: int = 0
    requests: int = 0
    broken: int = 0
    seconds: float = 0.0
    cells: Counter[Cell] = Counter()
    passed: frozenset[str] = frozenset()
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            stories=self.stories + other.stories,
            rollouts=self.rollouts + other.rollouts,
            requests=self.requests + other.requests,
            broken=self.broken + other.broken,
            seconds=self.seconds + other.seconds,
            cells=self.cells + other.cells,
            passed=self.passed | other.passed,
            failures=(self.failures + other.failures)[:_SHOWN],
        )

    def __str__(self) -> str:
        hit, every = len(all_cells()) - len(empty_cells(self.cells)), len(all_cells())
        return (
            f"{self.rollouts:,} rollouts in {self.stories:,} stories, {self.seconds:.0f} s; {self.requests:,} requests; "
            f"{hit} of {every} cells; {self.broken} violations"
        )


def play_all(stories: Iterable[Story], *, jobs: int = 0) -> Summary:
    """All of them, on `jobs` cores (0: as many as there are)."""
    with _pool(jobs) as pool:
        return _with_seconds(_played(stories, pool))


def play_seeds(first: int, *, rollouts: int, jobs: int = 0) -> Summary:
    """The stories of `first`, `first` + 1, … until so many rollouts have been carried out."""

    def parts(pool: Executor) -> Iterator[Summary]:
        done, seed = 0, first
        while done < rollouts:
            count = max(_AT_A_TIME, (rollouts - done) // 2)  # a story is more than one rollout: these are not too many
            part = sum(_played((story_of(each) for each in range(seed, seed + count)), pool), Summary())
            done, seed = done + part.rollouts, seed + count
            yield part

    with _pool(jobs) as pool:
        return _with_seconds(parts(pool))


def shortest(story: Story, violations: Sequence[Violation]) -> Story:
    """The story without whatever is not needed to break one of the same laws."""
    laws = {each.law for each in violations}
    for left_out in story.happenings:
        shorter = msgspec.structs.replace(story, seed=-1, happenings=tuple(each for each in story.happenings if each is not left_out))
        if laws & {each.law for each in Stage(shorter).play().violations}:
            return shortest(shorter, violations)
    return story


def _with_seconds(parts: Iterable[Summary]) -> Summary:
    clock = SystemClock()
    began = clock.monotonic()
    return msgspec.structs.replace(sum(parts, Summary()), seconds=clock.monotonic() - began)


def _pool(jobs: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(jobs or os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))


def _played(stories: Iterable[Story], pool: Executor) -> Iterator[Summary]:
    return pool.map(_play_some, _batches(stories))


def _batches(stories: Iterable[Story]) -> Iterator[list[Story]]:
    source = iter(stories)
    while batch := list(itertools.islice(source, _AT_A_TIME)):
        yield batch


def _play_some(stories: Sequence[Story]) -> Summary:
    return sum((_play(story) for story in stories), Summary())


def _play(story: Story) -> Summary:
    ended = Stage(story).play()
    return Summary(
        stories=1,
        rollouts=ended.rollouts,
        requests=ended.requests,
        broken=len(ended.violations),
        cells=ended.cells,
        passed=ended.passed,
        failures=(Failure(story, ended.violations),) if ended.violations else (),
    )
