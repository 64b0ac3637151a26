"""A platform whose edge is HAProxy: deployed twice under traffic without a failed request, with right counts; and changed for the other."""

from __future__ import annotations

import pytest
from e2e.platform import App, Platform, Traffic, receipt_of


@pytest.fixture
def app(platform: Platform) -> App:
    """On the edge that the platform has from now on."""
    app = platform.app("flask-hello", "on-haproxy")
    app.write("mooring.toml", "[deploy]\nbake_latency_factor = 1000\n")  # a busy machine is not a worse release
    app.release(1)
    return app


def test_two_deploys_under_traffic_then_the_other_edge_with_the_same_routes(platform: Platform, app: App) -> None:
    answer = platform.mooring("up", "--edge", "haproxy")
    assert answer.code == 0, answer
    assert "the edge is haproxy from now on" in answer.err
    assert app.deploy().code == 0
    for version in (2, 3):
        app.release(version)
        with Traffic(app, paths=("/version",)) as traffic:
            answer = app.deploy()
        assert answer.code == 0, answer
        report, receipt = traffic.report, receipt_of(app)
        assert report["failed"] == 0, str(report["failures"][:5])
        assert report["sent"] > 100
        assert receipt["traffic"]["edge_errors"] == receipt["traffic"]["resets"] == 0
        assert 20 < receipt["traffic"]["requests"] <= report["sent"]
        assert sum(receipt["traffic"]["by_release"].values()) == receipt["traffic"]["requests"]
        assert receipt["probes"]["sent"] > 5
        assert receipt["probes"]["failed"] == 0
        assert app.version() == version
    names = {part["name"] for part in platform.mooring("status", "--json").json["parts"]}
    assert "edge" in names
    assert "edge-attendant" not in names
    assert "already" in platform.mooring("up").out
    answer = platform.mooring("up", "--edge", "envoy")
    assert answer.code == 0, answer
    assert app.version() == 3
    assert app.mooring("destroy", "--confirm", app.name).code == 0


def test_an_edge_that_there_is_not_is_refused_in_words(platform: Platform) -> None:
    answer = platform.mooring("up", "--edge", "nginx")
    assert answer.code == 2
    assert "'envoy', 'haproxy', 'auto'" in answer.err
