"""What every runtime does, fake or real: a subclass gives the fixture `rig`, and pytest runs all of it.

A rig knows how to make the kinds of instance and task that the suite speaks of, and how to look at them from outside.
Must not: look inside a runtime, or count on real time (`rig.until` waits as the rig's clock does).
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest

from mooring.drivers.runtime.contract import LogQuery, Runtime
from mooring.errors import StaleFence, Unavailable
from mooring.model.environment import EnvironmentId
from mooring.model.instance import InstanceKey, InstanceSpec, InstanceView, ProcessState, TaskSpec, TaskState
from mooring.model.lease import Mark
from mooring.model.names import ProcessName
from mooring.model.release import Artifact
from mooring.model.secret import Secret, SecretFile

SHOP = EnvironmentId.parse("shop")
BLOG = EnvironmentId.parse("blog/staging")


class Kind(enum.Enum):
    """How an instance or task of the suite behaves."""

    STEADY = "steady"  # prints "hello", then runs until it is told to stop
    CRASHING = "crashing"  # exits with code 3 at once, whenever it is started
    DEAF = "deaf"  # like STEADY, but ignores the stop signal
    FORKING = "forking"  # like STEADY, with a deaf child that left its process group
    SUCCEEDING = "succeeding"  # a task: prints "done" and ends with 0
    FAILING = "failing"  # a task: ends with 5
    ENDLESS = "endless"  # a task that goes on


class RuntimeRig(Protocol):
    """A runtime with the means to test it."""

    @property
    def runtime(self) -> Runtime: ...

    def instance(self, key: InstanceKey, kind: Kind = ..., *, is_routed: bool = ...) -> InstanceSpec: ...

    def task(self, name: str, kind: Kind, *, timeout: float = ...) -> TaskSpec: ...

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Let time go by until it holds; fails when it never does."""

    async def kill(self, key: InstanceKey) -> None:
        """End the instance's main process by SIGKILL, from outside."""

    async def variable(self, key: InstanceKey, name: str) -> bytes:
        """As it arrived in the process."""

    async def secret_file(self, key: InstanceKey, name: str) -> bytes:
        """What the process finds under the path in its environment; fails when the value stands there, or others may read it."""

    async def processes(self, key: InstanceKey) -> int:
        """How many processes of the instance live, children included."""

    def times_run(self, spec: TaskSpec) -> int:
        """How often the task's command was begun."""


def a_key(slot: int = 1, *, release: int = 1, process: str = "web", environment: EnvironmentId = SHOP) -> InstanceKey:
    return InstanceKey(environment, ProcessName(process), slot, release)


def a_mark(fence: int = 1, *, environment: EnvironmentId = SHOP) -> Mark:
    return Mark(environment, "test", fence)


async def view_of(rig: RuntimeRig, key: InstanceKey) -> InstanceView | None:
    return next((view for view in await rig.runtime.observe() if view.key == key), None)


async def started(rig: RuntimeRig, spec: InstanceSpec, variables: dict[str, str | Secret] | None = None) -> InstanceView:
    """Start it and wait until its process runs."""
    await rig.runtime.start(a_mark(environment=spec.key.environment), spec, variables or {})
    await rig.until(lambda: _is(rig, spec.key, ProcessState.RUNNING))
    view = await view_of(rig, spec.key)
    assert view is not None
    return view


class InstanceContract:
    async def test_a_started_instance_is_observed_running_with_a_port_and_a_pid(self, rig: RuntimeRig) -> None:
        view = await started(rig, rig.instance(a_key()))
        assert view.state is ProcessState.RUNNING
        assert view.pid > 0
        assert view.port > 0
        assert view.restarts == 0
        assert view.exit_code is None

    async def test_an_instance_that_is_not_routed_gets_no_port(self, rig: RuntimeRig) -> None:
        view = await started(rig, rig.instance(a_key(process="worker"), is_routed=False))
        assert view.port == 0

    async def test_starting_a_key_that_runs_changes_nothing(self, rig: RuntimeRig) -> None:
        before = await started(rig, rig.instance(a_key()))
        await rig.runtime.start(a_mark(), rig.instance(a_key()), {})
        after = await view_of(rig, a_key())
        assert after is not None
        assert (after.pid, after.port, after.restarts) == (before.pid, before.port, 0)

    async def test_two_instances_never_share_a_port(self, rig: RuntimeRig) -> None:
        views = [await started(rig, rig.instance(a_key(slot))) for slot in (1, 2, 3)]
        assert len({view.port for view in views}) == 3

    async def test_every_byte_of_the_environment_arrives(self, rig: RuntimeRig) -> None:
        value = "100% \"quoted\" 'single' $HOME `id` \\n\nsecond line; # %(here)s \t\x7f ünï \udcff"
        await started(rig, rig.instance(a_key()), {"PLAIN": value, "SECRET": Secret(value), "EMPTY": ""})
        assert await rig.variable(a_key(), "PLAIN") == value.encode("utf-8", "surrogateescape")
        assert await rig.variable(a_key(), "SECRET") == value.encode("utf-8", "surrogateescape")
        assert await rig.variable(a_key(), "EMPTY") == b""

    async def test_a_secret_that_is_to_be_a_file_arrives_as_one_whatever_bytes_it_holds(self, rig: RuntimeRig) -> None:
        value = "\0\n-----BEGIN\r\n\udcff\udc80ünï\n"
        await started(rig, rig.instance(a_key()), {"TLS_KEY": SecretFile(value), "PLAIN": "x"})
        assert await rig.secret_file(a_key(), "TLS_KEY") == value.encode("utf-8", "surrogateescape")
        assert await rig.variable(a_key(), "PLAIN") == b"x"

    async def test_a_stopped_instance_is_gone_and_no_process_of_it_is_left(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        assert await rig.processes(a_key()) > 0
        await rig.runtime.stop(a_mark(), a_key(), grace=10)
        assert await rig.processes(a_key()) == 0
        assert await rig.runtime.observe() == ()

    async def test_an_instance_that_ignores_the_signal_is_killed_after_its_grace(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key(), Kind.DEAF))
        await rig.until(lambda: _has_said(rig, "hello"))
        await rig.runtime.stop(a_mark(), a_key(), grace=0.5)
        assert await rig.processes(a_key()) == 0

    async def test_children_that_left_the_process_group_are_ended_too(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key(), Kind.FORKING))
        await rig.until(lambda: _has_said(rig, "hello"))
        await rig.runtime.stop(a_mark(), a_key(), grace=0.5)
        assert await rig.processes(a_key()) == 0

    async def test_stopping_a_key_that_is_gone_changes_nothing(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key(1)))
        await rig.runtime.stop(a_mark(), a_key(2), grace=1)
        assert [view.key for view in await rig.runtime.observe()] == [a_key(1)]

    async def test_a_killed_instance_comes_back_on_the_same_port_and_says_what_ended_it(self, rig: RuntimeRig) -> None:
        before = await started(rig, rig.instance(a_key()))
        await rig.kill(a_key())
        await rig.until(lambda: _was_restarted(rig, a_key()))
        after = await view_of(rig, a_key())
        assert after is not None
        assert after.port == before.port
        assert after.pid != before.pid
        assert after.signal == "SIGKILL"
        assert after.exit_code is None

    async def test_an_instance_that_dies_often_waits_before_its_next_start(self, rig: RuntimeRig) -> None:
        await rig.runtime.start(a_mark(), rig.instance(a_key(), Kind.CRASHING), {})
        await rig.until(lambda: _is(rig, a_key(), ProcessState.BACKOFF))
        view = await view_of(rig, a_key())
        assert view is not None
        assert view.exit_code == 3
        assert view.retry_at > 0

    async def test_an_instance_that_waits_for_its_next_start_can_be_stopped(self, rig: RuntimeRig) -> None:
        await rig.runtime.start(a_mark(), rig.instance(a_key(), Kind.CRASHING), {})
        await rig.until(lambda: _is(rig, a_key(), ProcessState.BACKOFF))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        assert await rig.runtime.observe() == ()
        assert await rig.processes(a_key()) == 0

    async def test_a_restart_keeps_the_port_and_the_variables_and_changes_the_process(self, rig: RuntimeRig) -> None:
        before = await started(rig, rig.instance(a_key()), {"COLOUR": "blue"})
        await rig.runtime.restart(a_mark(), a_key(), grace=5)
        await rig.until(lambda: _is(rig, a_key(), ProcessState.RUNNING))
        after = await view_of(rig, a_key())
        assert after is not None
        assert after.port == before.port
        assert after.pid != before.pid
        assert await rig.variable(a_key(), "COLOUR") == b"blue"

    async def test_an_older_fence_is_refused_and_does_nothing(self, rig: RuntimeRig) -> None:
        await rig.runtime.start(a_mark(7), rig.instance(a_key(1)), {})
        with pytest.raises(StaleFence, match="older than 7"):
            await rig.runtime.start(a_mark(6), rig.instance(a_key(2)), {})
        with pytest.raises(StaleFence):
            await rig.runtime.stop(a_mark(6), a_key(1), grace=1)
        assert [view.key for view in await rig.runtime.observe()] == [a_key(1)]

    async def test_an_older_number_is_refused_after_its_environment_was_forgotten_too(self, rig: RuntimeRig) -> None:
        await rig.runtime.forget(a_mark(5), SHOP, releases=None)
        with pytest.raises(StaleFence):
            await rig.runtime.start(a_mark(4), rig.instance(a_key()), {})

    async def test_fences_of_one_environment_do_not_bind_another(self, rig: RuntimeRig) -> None:
        await rig.runtime.start(a_mark(7), rig.instance(a_key(1)), {})
        await rig.runtime.start(a_mark(1, environment=BLOG), rig.instance(a_key(environment=BLOG)), {})
        assert {view.key.environment for view in await rig.runtime.observe()} == {SHOP, BLOG}

    async def test_inspecting_tells_where_it_listens_and_what_it_said(self, rig: RuntimeRig) -> None:
        view = await started(rig, rig.instance(a_key()))
        await rig.until(lambda: _listens(rig, a_key(), view.port))
        inspection = await rig.runtime.inspect(a_key())
        assert [each.port for each in inspection.listening] == [view.port]
        assert "hello" in inspection.last_lines
        assert not inspection.is_out_of_memory

    async def test_inspecting_what_is_gone_still_gives_its_last_lines(self, rig: RuntimeRig) -> None:
        view = await started(rig, rig.instance(a_key()))
        await rig.until(lambda: _listens(rig, a_key(), view.port))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        inspection = await rig.runtime.inspect(a_key())
        assert inspection.view is None
        assert "hello" in inspection.last_lines

    async def test_what_runs_answers_a_command_and_what_does_not_cannot_be_asked(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key()))
        assert (await rig.runtime.ask(a_key(), "true", within=60.0)).code == 0
        with pytest.raises(Unavailable, match="does not run now"):
            await rig.runtime.ask(a_key(2), "true", within=60.0)


class TaskContract:
    async def test_a_task_that_ends_well_has_succeeded_with_its_last_lines(self, rig: RuntimeRig) -> None:
        await rig.runtime.run_task(a_mark(), rig.task("release.v1", Kind.SUCCEEDING), {})
        await rig.until(lambda: _has_ended(rig, "release.v1"))
        view = await rig.runtime.observe_task(SHOP, "release.v1")
        assert (view.state, view.exit_code) == (TaskState.SUCCEEDED, 0)
        assert view.last_lines == ("done",)

    async def test_a_task_that_fails_says_its_exit_code(self, rig: RuntimeRig) -> None:
        await rig.runtime.run_task(a_mark(), rig.task("release.v1", Kind.FAILING), {})
        await rig.until(lambda: _has_ended(rig, "release.v1"))
        view = await rig.runtime.observe_task(SHOP, "release.v1")
        assert (view.state, view.exit_code) == (TaskState.FAILED, 5)

    async def test_a_task_never_runs_twice(self, rig: RuntimeRig) -> None:
        task = rig.task("release.v1", Kind.SUCCEEDING)
        for _ in range(2):
            await rig.runtime.run_task(a_mark(), task, {})
        await rig.until(lambda: _has_ended(rig, "release.v1"))
        await rig.runtime.run_task(a_mark(), task, {})
        assert (await rig.runtime.observe_task(SHOP, "release.v1")).state is TaskState.SUCCEEDED
        assert rig.times_run(task) == 1

    async def test_a_task_that_never_began_is_absent(self, rig: RuntimeRig) -> None:
        assert (await rig.runtime.observe_task(SHOP, "release.v9")).state is TaskState.ABSENT

    async def test_a_task_past_its_timeout_is_ended_and_has_failed(self, rig: RuntimeRig) -> None:
        await rig.runtime.run_task(a_mark(), rig.task("slow", Kind.ENDLESS, timeout=0.5), {})
        assert (await rig.runtime.observe_task(SHOP, "slow")).state in (TaskState.RUNNING, TaskState.FAILED)
        await rig.until(lambda: _has_ended(rig, "slow"))
        view = await rig.runtime.observe_task(SHOP, "slow")
        assert (view.state, view.exit_code) == (TaskState.FAILED, 124)

    async def test_a_task_can_be_stopped(self, rig: RuntimeRig) -> None:
        await rig.runtime.run_task(a_mark(), rig.task("slow", Kind.ENDLESS, timeout=60), {})
        await rig.until(lambda: _task_is(rig, "slow", TaskState.RUNNING))
        await rig.runtime.stop_task(a_mark(), SHOP, "slow")
        await rig.until(lambda: _has_ended(rig, "slow"))
        assert (await rig.runtime.observe_task(SHOP, "slow")).state is TaskState.FAILED

    async def test_an_older_fence_may_not_run_a_task(self, rig: RuntimeRig) -> None:
        await rig.runtime.run_task(a_mark(3), rig.task("one", Kind.SUCCEEDING), {})
        with pytest.raises(StaleFence):
            await rig.runtime.run_task(a_mark(2), rig.task("two", Kind.SUCCEEDING), {})
        assert (await rig.runtime.observe_task(SHOP, "two")).state is TaskState.ABSENT


class LogContract:
    async def test_logs_tell_lines_with_their_source_and_release(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key(2, release=4)))
        await rig.until(lambda: _has_said(rig, "hello"))
        lines = [line async for line in rig.runtime.logs(LogQuery(environment=SHOP))]
        assert [(line.source, line.release, line.stream, line.text) for line in lines] == [("web.2", 4, "stdout", "hello")]
        assert lines[0].at > 0

    async def test_logs_of_another_process_slot_release_or_environment_are_left_out(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key(1)))
        await rig.until(lambda: _has_said(rig, "hello"))
        for query in (
            LogQuery(environment=SHOP, process=ProcessName("worker")),
            LogQuery(environment=SHOP, slot=2),
            LogQuery(environment=SHOP, release=2),
            LogQuery(environment=BLOG),
        ):
            assert [line async for line in rig.runtime.logs(query)] == []

    async def test_following_goes_on_to_instances_that_start_later(self, rig: RuntimeRig) -> None:
        await started(rig, rig.instance(a_key(release=1)))
        seen: list[int] = []
        async for line in rig.runtime.logs(LogQuery(environment=SHOP, follow=True)):
            seen.append(line.release)
            if line.release == 1:
                await started(rig, rig.instance(a_key(release=2)))
            else:
                break
        assert seen == [1, 2]

    async def test_logs_outlive_the_instance_until_its_release_is_forgotten(self, rig: RuntimeRig) -> None:
        for release in (1, 2):
            await _lived(rig, release)
        assert await rig.runtime.forget(a_mark(), SHOP, releases=frozenset({1})) > 0
        assert [line.release async for line in rig.runtime.logs(LogQuery(environment=SHOP))] == [2]
        await rig.runtime.forget(a_mark(), SHOP, releases=None)
        assert [line async for line in rig.runtime.logs(LogQuery(environment=SHOP))] == []


class DeliveryRig(RuntimeRig, Protocol):
    """Of a runtime to which artifacts have to be brought."""

    def artifact(self, name: str, *, size: int = ...) -> Artifact:
        """One that lies on this machine, of about so many bytes, with a program that can be started from it."""

    def from_artifact(self, key: InstanceKey, artifact: Artifact) -> InstanceSpec:
        """A STEADY instance that runs what is in the artifact."""


class DeliveryContract:
    async def test_an_artifact_is_sent_once(self, rig: DeliveryRig) -> None:
        artifact = rig.artifact("one", size=100_000)
        first = await rig.runtime.deliver(a_mark(), artifact)
        assert first.sent > 0
        second = await rig.runtime.deliver(a_mark(), artifact)
        assert second.sent == 0
        assert second.total == first.total > 0

    async def test_what_was_delivered_can_be_started(self, rig: DeliveryRig) -> None:
        artifact = rig.artifact("one")
        await rig.runtime.deliver(a_mark(), artifact)
        view = await started(rig, rig.from_artifact(a_key(), artifact))
        assert view.state is ProcessState.RUNNING

    async def test_what_was_not_delivered_is_not_started(self, rig: DeliveryRig) -> None:
        with pytest.raises(Unavailable, match="deliver"):
            await rig.runtime.start(a_mark(), rig.from_artifact(a_key(), rig.artifact("one")), {})
        assert await rig.runtime.observe() == ()

    async def test_reclaiming_takes_what_is_not_kept_and_does_not_run(self, rig: DeliveryRig) -> None:
        running, kept, left = (rig.artifact(name, size=50_000) for name in ("running", "kept", "left"))
        for each in (running, kept, left):
            await rig.runtime.deliver(a_mark(), each)
        await started(rig, rig.from_artifact(a_key(), running))
        assert await rig.runtime.reclaim(a_mark(), keep=frozenset({kept.id})) > 0
        assert (await rig.runtime.holdings(SHOP)).artifacts == {running.id, kept.id}
        assert [(await rig.runtime.deliver(a_mark(), each)).sent > 0 for each in (running, kept, left)] == [False, False, True]
        assert (await rig.runtime.holdings(SHOP)).artifacts == {running.id, kept.id, left.id}

    async def test_an_older_fence_delivers_and_reclaims_nothing(self, rig: DeliveryRig) -> None:
        artifact = rig.artifact("one")
        await rig.runtime.deliver(a_mark(4), artifact)
        with pytest.raises(StaleFence):
            await rig.runtime.reclaim(a_mark(3), keep=frozenset())
        with pytest.raises(StaleFence):
            await rig.runtime.deliver(a_mark(3), rig.artifact("two"))
        assert (await rig.runtime.deliver(a_mark(4), artifact)).sent == 0


class RuntimeContract(InstanceContract, TaskContract, LogContract):
    """All of it."""


async def _is(rig: RuntimeRig, key: InstanceKey, state: ProcessState) -> bool:
    view = await view_of(rig, key)
    return view is not None and view.state is state


async def _lived(rig: RuntimeRig, release: int) -> None:
    """An instance of that release started, said hello, and was stopped."""
    await started(rig, rig.instance(a_key(release=release)))
    await rig.until(lambda: _has_said(rig, "hello", count=release))
    await rig.runtime.stop(a_mark(), a_key(release=release), grace=5)


async def _was_restarted(rig: RuntimeRig, key: InstanceKey) -> bool:
    view = await view_of(rig, key)
    return view is not None and view.restarts > 0 and view.state is ProcessState.RUNNING


async def _listens(rig: RuntimeRig, key: InstanceKey, port: int) -> bool:
    return any(each.port == port for each in (await rig.runtime.inspect(key)).listening)


async def _task_is(rig: RuntimeRig, name: str, state: TaskState) -> bool:
    return (await rig.runtime.observe_task(SHOP, name)).state is state


async def _has_ended(rig: RuntimeRig, name: str) -> bool:
    return (await rig.runtime.observe_task(SHOP, name)).state not in (TaskState.RUNNING, TaskState.ABSENT)


async def _has_said(rig: RuntimeRig, text: str, *, count: int = 1) -> bool:
    lines = [line async for line in rig.runtime.logs(LogQuery(environment=SHOP))]
    return sum(line.text == text for line in lines) >= count
