"""The runtime `docker` with Podman's engine, which has Docker's API: what Docker's is asked too. What is not about how Podman differs
takes its time, and runs with --long.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import ClassVar

import docker.test_containers as containers
import docker.test_image_folders as folders
import pytest
from docker.engine import ContainerEngine, serving
from docker.podman import PodmanEngine, missing
from docker.rig import DockerRig

from mooring.drivers.host.ssh import facts_of
from mooring.drivers.runtime.docker.runtime import DockerRuntime
from mooring.drivers.transport.local import LocalTransport
from mooring.model.instance import ProcessState
from mooring.testing.asking_contract import AskingContract
from mooring.testing.interactive_contract import InteractiveContract
from mooring.testing.lasting_contract import LastingContract
from mooring.testing.runtime_contract import SHOP, DeliveryContract, Kind, RuntimeContract, a_key, a_mark, started, view_of

pytestmark = pytest.mark.docker

_LOOKS = 20  # in two seconds: Podman starts it again within one


@pytest.fixture(scope="module")
def podman() -> Iterator[PodmanEngine]:
    reason = missing()
    assert not reason, reason
    number = os.getpid()
    with tempfile.TemporaryDirectory(prefix="mooring-", ignore_cleanup_errors=True) as directory:
        network = f"10.{100 + number % 50}.{number // 50 % 250}"
        with serving(PodmanEngine(Path(directory) / "podman", name=f"mrgp{number}", network=network)) as engine:
            yield engine


@pytest.fixture
def host_engine(podman: PodmanEngine) -> ContainerEngine:
    podman.clear()
    return podman


@pytest.fixture
def rig(runtime: DockerRuntime, host_engine: ContainerEngine, own_engine: ContainerEngine) -> DockerRig:
    return DockerRig(runtime, host_engine, own_engine)


class TestPodmanRuntime(RuntimeContract):
    pass


@pytest.mark.long
class TestPodmanInteractive(InteractiveContract):
    pass


@pytest.mark.long
class TestPodmanAsking(AskingContract):
    pass


@pytest.mark.long
class TestPodmanLasting(LastingContract):
    pass


class TestPodmanDelivery(DeliveryContract):
    pass


class TestPodmanFolders(folders.TestFoldersOfImages):
    """Asked by Docker's program, as builds are. A volume gets its content when its container starts, which this one does not; a link that
    the path ends in is followed, within the image.
    """

    found: ClassVar = {**{path: files for path, files in folders.FOUND.items() if path != "/volume"}, "elsewhere": folders.FOUND["public"]}
    refused: ClassVar = {
        **{path: said for path, said in folders.REFUSED.items() if path not in ("elsewhere", "absolute")},
        "/volume": "/volume",
    }

    @pytest.fixture
    def engine(self, host_engine: ContainerEngine) -> ContainerEngine:
        return host_engine


@pytest.mark.long
class TestWhatAContainerMayDo(containers.TestWhatAContainerMayDo):
    async def test_more_memory_than_declared_ends_it_and_says_so(self, rig: DockerRig) -> None:
        """Podman does not say that it was for its memory: only the signal is known."""
        hungry = "x=0123456789abcdef; while :; do x=$x$x; done"
        await rig.runtime.start(a_mark(), containers.running(rig, hungry, memory=16_000_000), {})

        async def is_told() -> bool:
            view = await view_of(rig, a_key())
            return view is not None and view.signal == "SIGKILL"

        await rig.until(is_told)


@pytest.mark.long
class TestHowItIsReached(containers.TestHowItIsReached):
    pass


@pytest.mark.long
class TestSecrets(containers.TestSecrets):
    pass


@pytest.mark.long
class TestWhoseItIs(containers.TestWhoseItIs):
    pass


@pytest.mark.long
class TestWorseDays(containers.TestWorseDays):
    async def test_what_was_put_away_is_not_brought_back_by_the_engine(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        """After a boot Podman's own unit starts what has the policy `always`, and nothing else."""
        await started(rig, rig.instance(a_key()))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        (left,) = host_engine.ask("GET", "/containers/json?all=1")
        policy = host_engine.ask("GET", f"/containers/{left['Id']}/json")["HostConfig"]["RestartPolicy"]["Name"]
        assert (left["State"], policy) == ("exited", "unless-stopped")


@pytest.mark.long
class TestLogs(containers.TestLogs):
    async def test_a_talkative_app_takes_no_more_of_the_disk_than_its_share(self, rig: DockerRig) -> None:
        """Podman keeps one file, of the half of it."""
        flood = "head -c 25000000 /dev/zero | tr '\\0' a; echo; echo the-end; exec sleep 100000"
        await rig.runtime.start(a_mark(), containers.running(rig, flood, is_routed=False), {})
        await rig.until(lambda: containers.has_said(rig, "the-end"))
        kept = [path.stat().st_size for path in Path(rig.inspected(a_key())["LogPath"]).parent.glob("ctr.log*")]
        assert 0 < sum(kept) < 12_000_000


@pytest.mark.long
class TestSessions(containers.TestSessions):
    pass


@pytest.mark.long
class TestDelivery(containers.TestDelivery):
    pass


class TestWherePodmanDiffers:
    async def test_what_dies_again_and_again_is_stopped_for_good(self, rig: DockerRig) -> None:
        """Podman starts again what has just ended, and leaves it alone when it is told to stop it in that moment."""
        await rig.runtime.start(a_mark(), rig.instance(a_key(), Kind.CRASHING), {})
        await rig.until(lambda: _waits(rig))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        for _ in range(_LOOKS):
            assert await rig.runtime.observe() == ()
            await asyncio.sleep(0.1)

    async def test_only_layers_that_are_missing_are_sent(self, rig: DockerRig, own_engine: ContainerEngine) -> None:
        await containers.TestDelivery().test_only_layers_that_are_missing_are_sent(rig, own_engine)

    async def test_the_newest_lines_are_told_and_following_goes_on_after_them(self, rig: DockerRig) -> None:
        await containers.TestLogs().test_the_newest_lines_are_told_and_following_goes_on_after_them(rig)

    async def test_an_image_of_what_has_ended_stays_with_its_log(self, rig: DockerRig, host_engine: ContainerEngine) -> None:
        """Podman would take the container along."""
        artifact = rig.artifact("one")
        await rig.runtime.deliver(a_mark(), artifact)
        await started(rig, rig.from_artifact(a_key(), artifact))
        await rig.runtime.stop(a_mark(), a_key(), grace=5)
        assert await rig.runtime.reclaim(a_mark(), keep=frozenset()) == 0
        assert len(host_engine.ask("GET", "/containers/json?all=1")) == 1
        await rig.runtime.forget(a_mark(), SHOP, releases=None)
        assert await rig.runtime.reclaim(a_mark(), keep=frozenset()) > 0

    @pytest.mark.parametrize("program", ["docker", "python3"])
    async def test_the_survey_of_a_host_asks_its_socket_with_whatever_program_is_there(
        self, host_engine: ContainerEngine, tmp_path: Path, program: str
    ) -> None:
        for name in ("sed", "id", program):
            (tmp_path / name).symlink_to(sys.executable if name == "python3" else str(shutil.which(name)))
        survey = resources.files("mooring.drivers.host").joinpath("survey.sh").read_text()
        argv = ("env", f"PATH={tmp_path}", "/bin/sh", "-c", survey, "survey", "/none", str(host_engine.socket))
        facts = facts_of((await LocalTransport().run(argv)).out.decode(), asked_at=0.0)
        assert (facts.engine, facts.engine_socket) == ("1.41", str(host_engine.socket))


async def _waits(rig: DockerRig) -> bool:
    view = await view_of(rig, a_key())
    return view is not None and view.state is ProcessState.BACKOFF
