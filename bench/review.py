"""What a review app takes: from a push to its first answer, asleep in memory, and from a request until it is awake.

    bin/bench review [--rounds 5] [--asleep 100]

By hand: the release command, the seed command and the same gunicorn one after the other, in the same built environment, until /health
answers. Push: from the start of `git push` to a bare repository, whose hook has the platform look, until the branch's address answers
200; the dependencies are built already. Wake: from a request to an app that sleeps until its answer, with four others at the same time;
none is sent twice. Rounds alternate, so that all meet the same machine.
Asleep: what the platform's own processes have in memory (proportional) beyond what they had before the first review app.

Takes about 7 min.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from footprint import SETTLE, parts
from parts.showing import Figure, show
from redeploy import ROOT, answers, bare_boot

sys.path.insert(0, str(ROOT / "tests"))

from e2e.platform import MOORING, App, Platform, eventually, running, short_directory

from mooring.model.names import AppName
from mooring.model.review import review_environment

REST = 20.0  # seconds from the last that sleeps
VISITORS = 5  # who come to an app that sleeps at the same time
PUSHED, WOKEN, SLEPT = 2.0, 0.5, 1.0  # seconds over the same by hand; megabytes for each that sleeps
SEED = "python seed.py"
SEED_SOURCE = """from minitwit.database import Database
from minitwit.people import register
from minitwit.posts import publish
from minitwit.settings import read_settings

database = Database(read_settings().database_url)
person = register(database, "reviewer", "a long password")
for number in range(20):
    publish(database, person, f"a post to look at, number {number}")
"""


@dataclass
class Found:
    """Seconds, and bytes."""

    bare: list[float] = field(default_factory=list)
    by_hand: list[float] = field(default_factory=list)
    pushed: list[float] = field(default_factory=list)
    woken: list[float] = field(default_factory=list)
    failed: int = 0
    before: float = 0.0
    after: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--asleep", type=int, default=100, help="review apps that sleep at the same time")
    asked = parser.parse_args()
    found = Found()
    with short_directory() as directory, running(Platform(directory)) as here:
        app, origin = prepared(here)
        for number in range(1, asked.rounds + 1):
            one_round(app, origin, number, found)
        sleep_in_crowds(here, asked.asleep, found)
    return tell(found, asked.asleep)


def prepared(here: Platform) -> tuple[App, Path]:
    """The sample app in production, and a bare repository whose pushes are looked at."""
    app = here.app(ROOT / "examples" / "minitwit")
    app.mooring("config", "set", f"DATA_DIR={here.directory / 'production'}")  # of a review app all is below its own HOME
    (app.path / "mooring.toml").write_text(f'[review]\nbranches = ["*"]\naccess = "open"\nsleep = "3s"\nseed = "{SEED}"\n')
    (app.path / "seed.py").write_text(SEED_SOURCE)
    app.commit("review apps that sleep soon")
    origin = here.directory / "origin.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(app.path), str(origin)], check=True)
    for words in (("deploy",), ("forge", "add", "git", "--repo", f"file://{origin}", "--every", "1h")):
        answer = app.mooring(*words, stdin="\n")
        if answer.code:
            raise SystemExit(str(answer))
    hook = origin / "hooks" / "post-receive"
    hook.write_text(f"#!/bin/sh\nMOORING_STATE={here.state} exec {MOORING[0]} forge check --app {app.name}\n")
    hook.chmod(0o755)
    return app, origin


def one_round(app: App, origin: Path, number: int, found: Found) -> None:
    """By hand, then pushed, then woken; and its branch is gone."""
    found.bare.append(bare_boot(app))
    found.by_hand.append(commands_by_hand(app) + found.bare[-1])
    branch = f"round-{number}"
    app.git("switch", "--quiet", "--create", branch, "main")
    (app.path / "VERSION").write_text(f"{number}.0.0\n")
    app.commit(branch)
    host = f"{review_environment(AppName(app.name), branch).label}.localhost"
    began = time.monotonic()
    with subprocess.Popen(["git", "push", "--quiet", str(origin), branch], cwd=app.path, stderr=subprocess.PIPE):
        eventually(lambda: answers(app.platform.port, "/health", host=host)[0], within=120, every=0.01)
        found.pushed.append(time.monotonic() - began)
    eventually(lambda: is_asleep(app, branch), within=120, every=0.5)
    woken, failed = wake(app, host)
    found.woken.append(woken)
    found.failed += failed
    app.git("push", "--quiet", str(origin), "--delete", branch)
    eventually(lambda: summary(app, branch) is None, within=120, every=0.5)
    print(
        f"round {number}: by hand {found.by_hand[-1]:.2f} s, pushed {found.pushed[-1]:.2f} s;"
        f" bare boot {found.bare[-1]:.2f} s, woken {woken:.2f} s, {failed} failed",
        flush=True,
    )


def commands_by_hand(app: App) -> float:
    """Seconds of the release and the seed command, where nothing is yet."""
    artifact = app.mooring("releases", "--json").json["releases"][0]["artifact"]
    data = app.platform.directory / "by-hand"
    shutil.rmtree(data, ignore_errors=True)
    variables = {**app.platform.variables, **artifact["environment"], "DATA_DIR": str(data)}
    began = time.monotonic()
    for words in (["-m", "minitwit.release"], SEED.split()[1:]):
        subprocess.run(["python", *words], cwd=artifact["directory"], env=variables, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def wake(app: App, host: str) -> tuple[float, int]:
    """Seconds from the first visitor's request until its answer; and to how many of all nobody answered 200."""

    def visit(_: int) -> tuple[float, int]:
        began = time.monotonic()
        try:
            status, _, _ = app.get("/health", headers={"Host": host, "Accept": "application/json"}, timeout=90)
        except (OSError, http.client.HTTPException):
            status = 0
        return time.monotonic() - began, status

    with ThreadPoolExecutor(VISITORS) as visitors:
        answered = list(visitors.map(visit, range(VISITORS)))
    return answered[0][0], sum(status != 200 for _, status in answered)


def sleep_in_crowds(here: Platform, count: int, found: Found) -> None:
    """So many branches of a small app, pushed at once, until all of them sleep."""
    site = here.app("static-site", "crowd")
    rules = f'[review]\nbranches = ["*"]\naccess = "open"\nsleep = "5s"\nlimit = {count + 1}\n[deploy]\nbake = "0s"\n'
    site.write("mooring.toml", rules)
    site.release(1)
    site.deploy()
    origin = here.directory / "crowd.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(site.path), str(origin)], check=True)
    added = site.mooring("forge", "add", "git", "--repo", f"file://{origin}", "--every", "1h", stdin="\n")
    if added.code:
        raise SystemExit(str(added))
    time.sleep(SETTLE)
    found.before = memory(here)
    site.git("push", "--quiet", str(origin), *(f"HEAD:refs/heads/crowd-{number}" for number in range(count)))
    site.mooring("forge", "check")

    def all_asleep() -> bool:
        listed = site.mooring("review", "ls", "--json")
        asleep = [each for each in listed.json["reviews"] if each["summary"]["is_asleep"]] if listed.code == 0 else []
        return len(asleep) == count

    eventually(all_asleep, within=60 + 15 * count, every=5)
    time.sleep(REST)
    found.after = memory(here)


def memory(here: Platform) -> float:
    """Bytes that the platform's own processes have, each page divided among those that share it."""
    return float(sum(process.memory_full_info().pss for process in parts(here).values()))


def is_asleep(app: App, branch: str) -> bool:
    found = summary(app, branch)
    if found is None or not found["is_asleep"]:
        return False
    return not app.mooring("ps", "-e", found["environment"]["environment"], "--json").json["instances"]


def summary(app: App, branch: str) -> dict | None:
    """Of a branch's review app, where there is one."""
    listed = app.mooring("review", "ls", "--json").json["reviews"]
    return next((each["summary"] for each in listed if each["branch"] == branch), None)


def tell(found: Found, count: int) -> int:
    middle = statistics.median
    each = (found.after - found.before) / count / 1e6
    pushed, woken = middle(found.pushed) - middle(found.by_hand), middle(found.woken) - middle(found.bare)
    figures = [
        Figure("migrated, seeded and booted by hand, median", middle(found.by_hand), "s", beside=f"slowest {max(found.by_hand):.2f} s"),
        Figure("pushed until its address answers, median", middle(found.pushed), "s", beside=f"slowest {max(found.pushed):.2f} s"),
        Figure("the same, over what is done by hand", pushed, "s", at_most=PUSHED),
        Figure("bare boot of the app, by hand, median", middle(found.bare), "s", beside=f"slowest {max(found.bare):.2f} s"),
        Figure(
            "a request to an app that sleeps to its answer, median", middle(found.woken), "s", beside=f"slowest {max(found.woken):.2f} s"
        ),
        Figure("the same, over the bare boot", woken, "s", at_most=WOKEN),
        Figure("requests that failed while it woke", found.failed, at_most=0, beside=f"of {VISITORS * len(found.woken)}"),
        Figure("memory of each that sleeps", each, "MB", at_most=SLEPT, beside=f"{count} of them; {found.before / 1e6:.0f} MB without"),
    ]
    facts = {"by_hand_s": found.by_hand, "pushed_s": found.pushed, "bare_boot_s": found.bare, "wake_s": found.woken}
    return show("review", figures, facts | {"memory_before": found.before, "memory_after": found.after})


if __name__ == "__main__":
    sys.exit(main())
