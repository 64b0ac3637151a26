"""Recorded deployments against the texts that a person would see: at 80 and 120 columns, and in a file."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recordings import FOLDER, in_a_file, names, on_a_terminal, recording, told_as_text

from mooring.cli.render.ending import ending_lines
from mooring.cli.render.story import opening
from mooring.cli.render.styled import plain, width_of
from mooring.model.deployment import Deployment, Outcome, Revision, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId, ProcessName
from mooring.model.receipt import Receipt
from mooring.model.routing import Traffic


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("suffix", ["80.txt", "120.txt", "plain.txt"])
def test_a_recorded_deployment_reads_as_expected(name: str, suffix: str) -> None:
    expected = (FOLDER / f"{name}.{suffix}").read_text(encoding="utf-8")
    assert told_as_text(name)[suffix] == expected


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    lines = on_a_terminal(recording(name), width=width)
    assert max(width_of(line) for line in lines) <= width


@pytest.mark.parametrize("name", names())
def test_nothing_that_steers_a_terminal_reaches_it(name: str) -> None:
    shown = "".join(plain(line) for line in (*on_a_terminal(recording(name), width=80), *in_a_file(recording(name))))
    assert shown.isprintable()


def test_output_of_a_build_that_succeeds_is_folded_on_a_terminal_and_kept_in_a_file() -> None:
    told = recording("redeploy")
    assert not any("Resolved 14 packages" in plain(line) for line in on_a_terminal(told, width=80))
    assert any("Resolved 14 packages" in plain(line) for line in in_a_file(told))


def scaled(environment: EnvironmentId, **counts: int) -> Deployment:
    before = Revision(release=4, counts={ProcessName(name): 1 for name in counts})
    target = Revision(release=4, counts={ProcessName(name): count for name, count in counts.items()})
    releases = {"from_release": 4, "to_release": 4, "serving_release": 4}
    counted = {"phases": (), "traffic": Traffic(), "probes": None, "seconds": 0.7}
    receipt = Receipt(environment=str(environment), deployment="d-1", outcome="succeeded", **releases, **counted)
    given = {"trigger": Trigger.SCALE, "outcome": Outcome.SUCCEEDED, "requested_at": 1.0, "requested_by": "ann", "started_at": 1.0}
    return Deployment(id=DeploymentId("d-1"), environment=environment, number=1, baseline=before, target=target, receipt=receipt, **given)


@pytest.mark.parametrize(
    ("environment", "counts", "said"),
    [
        ("shop", {"web": 3}, "✓ shop/production v4 serves in 0.70s"),
        ("shop", {"web": 3, "worker": 0}, "✓ shop/production runs with worker=0 in 0.70s"),
        ("shop/production.redis", {"redis": 0}, "✓ shop/production.redis is stopped in 0.70s"),
        ("shop/production.redis", {"redis": 1}, "✓ shop/production.redis v4 serves in 0.70s"),
    ],
)
def test_what_was_scaled_to_nothing_is_not_said_to_serve(environment: str, counts: dict[str, int], said: str) -> None:
    deployment = scaled(EnvironmentId.parse(environment), **counts)
    assert plain(ending_lines(deployment, width=None)[0]) == said
    assert plain(opening(deployment, width=None)[0]) == f"Scaling {deployment.environment}  v4  d-1"


def test_a_failed_build_is_not_called_built() -> None:
    told = recording("build-fails")
    assert not any("✓ built" in plain(line) for line in (*on_a_terminal(told, width=80), *in_a_file(told)))


def test_the_old_release_is_said_to_serve_only_when_the_record_says_so() -> None:
    assert any("The old release v6 is still serving." in plain(line) for line in on_a_terminal(recording("wrong-port"), width=80))
    crashed = [plain(line) for line in on_a_terminal(recording("crash"), width=80)]
    assert not any("still serving" in line for line in crashed)
    assert "No release of shop/production is serving." in crashed


@pytest.mark.parametrize("name", ["wrong-port", "build-fails"], ids=["with a receipt", "refused"])
def test_an_old_release_that_slept_is_said_to_sleep_on(name: str) -> None:
    slept = msgspec.structs.replace(recording(name).ended, is_asleep=True)
    said = [plain(line) for line in ending_lines(slept, width=None)]
    assert "The old release v6 sleeps, and wakes when somebody comes." in said
    assert not any("is still serving" in line for line in said)
