"""Apps that go wrong, run for real, asked for real, and explained in words that fit."""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.probe.network import NetworkProber
from mooring.drivers.runtime.contract import Inspection
from mooring.drivers.runtime.process.runtime import ProcessRuntime
from mooring.engine.diagnosis import diagnose
from mooring.model.health import Check, CheckKind, Diagnosis, Listening, ProbeResult, ProbeTarget
from mooring.model.instance import InstanceSpec, InstanceView, ProcessState
from mooring.testing.runtime_contract import a_key, a_mark

SERVER = Path(__file__).parents[2] / "apps" / "trouble" / "server.py"
HTTP = Check(kind=CheckKind.HTTP, paths=("/up", "/health", "/"), timeout=2.0, host="shop.localhost")
COMMAND = f"{shlex.quote(sys.executable)} {shlex.quote(str(SERVER))}"


def spec(command: str = COMMAND) -> InstanceSpec:
    return InstanceSpec(key=a_key(), command=command, directory=str(SERVER.parent), is_routed=True)


class Patient:
    """One instance, asked and looked at until a condition holds."""

    def __init__(self, runtime: ProcessRuntime) -> None:
        self._runtime = runtime
        self.probes: list[ProbeResult] = []

    async def until(self, condition: Callable[[Inspection, ProbeResult], bool]) -> Diagnosis:
        prober = NetworkProber()
        async with asyncio.timeout(20):
            while True:
                inspection = await self._runtime.inspect(a_key())
                view = inspection.view
                assert view is not None
                result = await prober.probe(ProbeTarget(address=view.address, port=view.port, hostname="shop.localhost"), HTTP)
                self.probes.append(result)
                if condition(inspection, result):
                    return diagnose(a_key(), inspection, tuple(self.probes[-10:]), check=HTTP)
                await asyncio.sleep(0.05)


@pytest.fixture
def patient(runtime: ProcessRuntime) -> Patient:
    return Patient(runtime)


def listens(inspection: Inspection, _: ProbeResult) -> bool:
    return bool(inspection.listening)


def is_in_backoff(inspection: Inspection, _: ProbeResult) -> bool:
    return inspection.view is not None and inspection.view.state is ProcessState.BACKOFF


async def test_a_healthy_app_is_well(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(), {})
    diagnosis = await patient.until(lambda _, result: result.passed)
    assert diagnosis.likely_cause == "nothing is wrong with it now: it answers"


async def test_an_app_that_never_listens_is_told_its_port(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(), {"TROUBLE": "never-listens"})
    diagnosis = await patient.until(lambda inspection, _: len(patient.probes) > 5 and is_running(inspection))
    assert diagnosis.likely_cause == f"it runs, but listens on no port; it was told PORT={diagnosis.port}"


async def test_an_app_on_another_port_is_told_both(runtime: ProcessRuntime, patient: Patient) -> None:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        other = trial.getsockname()[1]
    await runtime.start(a_mark(), spec(f"PORT={other} {COMMAND}"), {})
    diagnosis = await patient.until(listens)
    assert diagnosis.likely_cause == f"it listens on 0.0.0.0:{other}, but was told PORT={diagnosis.port}"
    assert diagnosis.hint == "start it on the port in the environment, such as --port $PORT"


async def test_an_app_on_ipv6_loopback_only_is_told_so(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(), {"TROUBLE": "ipv6-only"})
    diagnosis = await patient.until(listens)
    assert diagnosis.listening == (Listening("::1", diagnosis.port),)
    assert diagnosis.likely_cause == f"it listens on [::1]:{diagnosis.port} only, but is asked on 127.0.0.1:{diagnosis.port}"


async def test_an_app_that_answers_500_is_told_that_it_fails_itself(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(), {"TROUBLE": "answers-500"})
    diagnosis = await patient.until(lambda _, result: result.status > 0)
    assert diagnosis.likely_cause == "it answers 500 on /up: the app itself fails"


async def test_an_app_that_answers_and_then_dies_is_told_in_that_order(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(), {"TROUBLE": "dies-after-3s=1"})
    await patient.until(lambda _, result: result.passed)
    diagnosis = await patient.until(lambda inspection, _: inspection.view is not None and inspection.view.exit_code is not None)
    assert diagnosis.likely_cause.startswith("it answered, and then exited with code 1")
    assert "died after 1 s" in "\n".join(diagnosis.last_lines)


async def test_an_app_that_exits_at_once_is_told_its_code(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(), {"TROUBLE": "exits-at-once=9"})
    diagnosis = await patient.until(is_in_backoff)
    assert diagnosis.likely_cause == "it exited with code 9, and was restarted 2 times"
    assert diagnosis.exit_code == 9


async def test_a_command_that_is_not_there_is_named(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec("no-such-server --port $PORT"), {})
    diagnosis = await patient.until(is_in_backoff)
    assert diagnosis.likely_cause == "no-such-server was not found (exit code 127)"


async def test_a_module_that_is_missing_is_named(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(f"{shlex.quote(sys.executable)} -c 'import no_such_module'"), {})
    diagnosis = await patient.until(is_in_backoff)
    assert diagnosis.likely_cause == "the module no_such_module is not installed"


async def test_a_port_that_a_stranger_took_names_the_stranger(runtime: ProcessRuntime, patient: Patient) -> None:
    await runtime.start(a_mark(), spec(f"exec 2>&1; while [ ! -f go ]; do sleep 0.05; done; {COMMAND}"), {})
    view = await the_only(runtime)
    with socket.create_server((view.address, view.port)):
        diagnosis = diagnose(a_key(), await runtime.inspect(a_key()), (), check=HTTP)
    assert diagnosis.likely_cause.startswith(f"port {view.port} is in use by ")
    assert "(pid " in diagnosis.likely_cause


async def test_a_port_that_is_taken_when_an_instance_starts_is_not_given_to_it(runtime: ProcessRuntime) -> None:
    await runtime.start(a_mark(), spec(), {})
    first = await the_only(runtime)
    await runtime.stop(a_mark(), a_key(), grace=5)
    with socket.create_server(("0.0.0.0", first.port + 1)):
        await runtime.start(a_mark(), spec(), {})
        assert (await the_only(runtime)).port == first.port + 2


def is_running(inspection: Inspection) -> bool:
    return inspection.view is not None and inspection.view.state is ProcessState.RUNNING


async def the_only(runtime: ProcessRuntime) -> InstanceView:
    (view,) = await runtime.observe()
    return view
