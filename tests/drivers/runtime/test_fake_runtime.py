"""The fake runtime fulfils the contract that the real one fulfils, in virtual time; and its faults do what they say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from mooring.drivers.runtime.contract import Runtime
from mooring.errors import CapacityExceeded, OutcomeUnknown, Unavailable
from mooring.model.accessory import Lasting
from mooring.model.instance import InstanceKey, InstanceSpec, TaskSpec
from mooring.model.names import ArtifactId
from mooring.model.release import Artifact
from mooring.testing.behaviour import Behaviour
from mooring.testing.lasting_contract import LastingContract
from mooring.testing.runtime import FakeRuntime
from mooring.testing.runtime_contract import (
    DeliveryContract,
    DeliveryRig,
    Kind,
    RuntimeContract,
    RuntimeRig,
    a_key,
    a_mark,
)

BEHAVIOURS = {
    Kind.STEADY: Behaviour(lines=("hello",)),
    Kind.CRASHING: Behaviour(exits_after=0.05, exit_code=3),
    Kind.DEAF: Behaviour(lines=("hello",), stop_takes=3600),
    Kind.FORKING: Behaviour(lines=("hello",), stop_takes=3600),
    Kind.SUCCEEDING: Behaviour(exits_after=0.1, exit_code=0, lines=("done",)),
    Kind.FAILING: Behaviour(exits_after=0.1, exit_code=5),
    Kind.ENDLESS: Behaviour(exits_after=3600.0),
}


class TestClock:
    """Time that passes only when somebody sleeps."""

    __test__ = False

    def __init__(self) -> None:
        self.now = 1000.0

    def wall(self) -> float:
        return 1_700_000_000 + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


class FakeRig:
    def __init__(self, *, room: int | None = None) -> None:
        self.clock = TestClock()
        self.fake = FakeRuntime(self.clock, room=room)
        self.fake.behave = lambda spec: BEHAVIOURS[Kind(spec.command)]
        self.fake.behave_task = lambda spec: BEHAVIOURS[Kind(spec.command)]

    @property
    def runtime(self) -> Runtime:
        return self.fake

    def instance(self, key: InstanceKey, kind: Kind = Kind.STEADY, *, is_routed: bool = True) -> InstanceSpec:
        return InstanceSpec(key=key, command=kind.value, directory="/srv/app", is_routed=is_routed)

    def task(self, name: str, kind: Kind, *, timeout: float = 60.0) -> TaskSpec:
        return TaskSpec(environment=a_key().environment, name=name, command=kind.value, directory="/srv", timeout=timeout, release=1)

    def artifact(self, name: str, *, size: int = 1_000) -> Artifact:
        return Artifact(id=ArtifactId(name), builder="procfile", reason="", directory=f"/artifacts/{name}", size=size)

    def from_artifact(self, key: InstanceKey, artifact: Artifact) -> InstanceSpec:
        return InstanceSpec(key=key, command=Kind.STEADY.value, directory=artifact.directory, is_routed=True, artifact=artifact)

    def lasting(self, key: InstanceKey) -> InstanceSpec:
        return InstanceSpec(key=key, command=Kind.STEADY.value, directory="/srv/app", is_routed=False, lasting=Lasting())

    async def starts(self, key: InstanceKey) -> int:
        return len(self.fake.volumes[key.environment])

    async def until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(10_000):
            if await condition():
                return
            await self.clock.sleep(0.01)
        raise AssertionError("it never came to that")

    async def kill(self, key: InstanceKey) -> None:
        self.fake.kill(key)

    async def variable(self, key: InstanceKey, name: str) -> bytes:
        life = self.fake.life(key)
        assert life is not None
        return life.variables[name].encode("utf-8", "surrogateescape")

    async def secret_file(self, key: InstanceKey, name: str) -> bytes:
        life = self.fake.life(key)
        assert life is not None
        assert name not in life.variables
        return life.variables[f"{name}_FILE"].encode("utf-8", "surrogateescape")

    async def processes(self, key: InstanceKey) -> int:
        life = self.fake.life(key)
        return 1 if life is not None and life.view(self.clock.now).pid else 0

    def times_run(self, spec: TaskSpec) -> int:
        return self.fake.starts[spec.environment, spec.name]


@pytest.fixture
def rig() -> RuntimeRig:
    return FakeRig()


class TestFakeRuntime(RuntimeContract):
    pass


class TestFakeLasting(LastingContract):
    pass


class TestFakeDelivery(DeliveryContract):
    @pytest.fixture
    def rig(self) -> DeliveryRig:
        return FakeRig(room=1_000_000)

    async def test_what_does_not_fit_is_refused_with_numbers(self, rig: DeliveryRig) -> None:
        with pytest.raises(CapacityExceeded, match="needs 2000000 bytes, and 1000000 are free"):
            await rig.runtime.deliver(a_mark(), rig.artifact("big", size=2_000_000))


async def test_an_effect_whose_answer_is_lost_has_happened() -> None:
    rig = FakeRig()
    rig.fake.faults.lose_answer("start")
    with pytest.raises(OutcomeUnknown):
        await rig.fake.start(a_mark(), rig.instance(a_key()), {})
    assert len(await rig.fake.observe()) == 1


async def test_an_effect_that_is_refused_has_not_happened() -> None:
    rig = FakeRig()
    rig.fake.faults.fail("start")
    with pytest.raises(Unavailable):
        await rig.fake.start(a_mark(), rig.instance(a_key()), {})
    assert await rig.fake.observe() == ()
    await rig.fake.start(a_mark(), rig.instance(a_key()), {})
    assert len(await rig.fake.observe()) == 1
