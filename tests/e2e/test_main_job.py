"""The main job: real apps deployed, redeployed under traffic, rolled back, scaled and destroyed, without a failed request."""

from __future__ import annotations

import pytest
from e2e.platform import ROOT, App, Platform, Traffic, receipt_of

MINITWIT = ROOT / "examples" / "minitwit"


def check_proof(app: App, traffic: Traffic, *, served: int) -> None:
    """Three counts agree that nothing failed: the client's, the edge's and the probe stream's."""
    report = traffic.report
    assert report["failed"] == 0, str(report["failures"][:5])
    assert report["sent"] > 100
    receipt = receipt_of(app)
    assert receipt["traffic"]["edge_errors"] == receipt["traffic"]["resets"] == 0
    assert receipt["traffic"]["requests"] > 20
    assert receipt["probes"]["sent"] > 5
    assert receipt["probes"]["failed"] == 0
    assert app.version() == served


@pytest.mark.parametrize("source", ["flask-hello", "node-hello", "static-site"])
def test_an_app_is_deployed_redeployed_scaled_rolled_back_and_destroyed_under_traffic(platform: Platform, source: str) -> None:
    app = platform.app(source)
    app.release(1)
    answer = app.deploy()
    assert answer.code == 0, answer
    assert f"http://{app.host}:{platform.port}" in answer.out
    assert app.version() == 1

    app.release(2)
    with Traffic(app, paths=("/version",)) as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    check_proof(app, traffic, served=2)

    with Traffic(app, paths=("/version",)) as traffic:
        assert app.mooring("scale", "web=2").code == 0
        assert len(app.mooring("ps", "--json").json["instances"]) == 2
        assert app.mooring("restart").code == 0
    assert traffic.report["failed"] == 0, str(traffic.report["failures"][:5])

    with Traffic(app, paths=("/version",)) as traffic:
        answer = app.mooring("rollback")
    assert answer.code == 0, answer
    check_proof(app, traffic, served=1)

    assert app.mooring("destroy", "--confirm", "wrong").code == 2
    assert app.get("/version")[0] == 200
    answer = app.mooring("destroy", "--confirm", app.name)
    assert answer.code == 0, answer
    assert app.get("/version")[0] == 404
    assert app.mooring("ps").code == 2


def test_minitwit_is_deployed_twice_under_its_own_traffic_and_keeps_its_data(platform: Platform) -> None:
    app = platform.app(MINITWIT)
    assert app.mooring("config", "set", f"DATA_DIR={platform.directory / 'data'}").code == 0
    answer = app.deploy()
    assert answer.code == 0, answer
    app.write("VERSION", "2.0.0\n")
    app.commit("second")
    with Traffic(app, version_header="X-Minitwit-Version") as traffic:
        answer = app.deploy()
    assert answer.code == 0, answer
    report = traffic.report
    assert report["failed"] == 0, str(report["failures"][:5])
    assert set(report["by_version"]) == {"1.0.0", "2.0.0"}
    names = {instance["key"]["process"] for instance in app.mooring("ps", "--json").json["instances"]}
    assert names == {"web", "worker"}
    assert app.mooring("destroy", "--confirm", app.name).code == 0
