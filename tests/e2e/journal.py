"""The journal of a running platform, read from its database while it is written: when has so much been done? Must not: write to it."""

from __future__ import annotations

import sqlite3
import subprocess
import time

from e2e.platform import App, Platform, eventually

from mooring.store.directory import DATABASE

QUICK = """
[deploy]
bake = "0s"
healthy_deadline = "20s"
progress_deadline = "60s"
drain_timeout = "5s"
"""
_PROCFILE = "release: echo migrated\nweb: python3 server.py\nworker: TROUBLE=never-listens python3 server.py\n"


def deployed(platform: Platform, name: str) -> App:
    """An app whose deploys are quick and write much: a release command, two web instances and a worker."""
    app = platform.app("trouble", name)
    app.write("mooring.toml", QUICK)
    app.write("Procfile", _PROCFILE)
    app.release(1)
    assert app.deploy().code == 0
    assert app.mooring("scale", "web=2").code == 0
    return app


class Journal:
    """Of one platform, read while it is written."""

    def __init__(self, platform: Platform) -> None:
        self._database = sqlite3.connect(f"file:{platform.state / DATABASE}?mode=ro", uri=True, isolation_level=None)

    def newest(self) -> str:
        row = self._database.execute("SELECT id FROM deployments ORDER BY position DESC LIMIT 1").fetchone()
        return str(row[0])

    def moments(self, deployment: str) -> int:
        """Writes so far: each entry is one, its outcome another."""
        found = self._database.execute("SELECT count(*), coalesce(sum(outcome <> ''), 0) FROM journal WHERE deployment = ?", (deployment,))
        entries, ended = found.fetchone()
        return int(entries) + int(ended)

    def outcome(self, deployment: str) -> str | None:
        row = self._database.execute("SELECT outcome FROM deployments WHERE id = ?", (deployment,)).fetchone()
        return None if row is None or row[0] is None else str(row[0])

    def redeploy(self, app: App, moment: int) -> tuple[subprocess.Popen[str], str]:
        """A deploy that has begun and come so far, or to its end: its client and its id."""
        before = self.newest()
        following = app.platform.start("deploy", cwd=app.path)
        deployment = eventually(lambda: (found := self.newest()) != before and found, within=30, every=0.005)
        deadline = time.monotonic() + 60
        while self.moments(deployment) < moment and self.outcome(deployment) is None:
            assert time.monotonic() < deadline, f"moment {moment} does not come"
            time.sleep(0.0005)
        return following, deployment

    def check_end(self, app: App, following: subprocess.Popen[str], deployment: str, *, old: int, new: int) -> int:
        """All-new or all-old, on record, in the routes and among the processes; the version that serves."""
        out, err = following.communicate(timeout=120)
        outcome = eventually(lambda: self.outcome(deployment), within=60)
        assert following.returncode in ((0, 4) if outcome == "succeeded" else (1,)), out + err
        serving = new if outcome == "succeeded" else old
        assert {app.version() for _ in range(6)} == {serving}, outcome
        instances = eventually(lambda: app.mooring("ps", "--json").json["instances"])
        assert len({instance["key"]["release"] for instance in instances}) == 1, instances
        assert sorted(instance["key"]["process"] for instance in instances) == ["web", "web", "worker"]
        return serving
