"""How long a review app that sleeps takes to answer the first request, against the bare boot of the same app, in one run.

    bin/bench review [--rounds 5]

Bare boot: the same gunicorn command by hand, in the same built environment, from its start until /health answers.
Wake: from a request to an app that sleeps until its answer, 200, at the edge; it is not sent twice.
Rounds alternate, so that both meet the same machine.

Takes about 90 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from parts.showing import Figure, show
from redeploy import ROOT, bare_boot

sys.path.insert(0, str(ROOT / "tests"))

from e2e.platform import App, Platform, eventually, running, short_directory

BRANCH = "sleepy"
RULES = '[review]\naccess = "open"\nsleep = "3s"\n'
TARGET = 0.5  # seconds over the bare boot


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with short_directory() as directory, running(Platform(directory)) as here:
        return measure(here, rounds)


def measure(here: Platform, rounds: int) -> int:
    app = here.app(ROOT / "examples" / "minitwit")
    for environment in ("production", "review"):
        app.mooring("config", "set", "-e", environment, f"DATA_DIR={here.directory / environment}")
    app.git("switch", "--quiet", "-c", BRANCH)
    manifest = app.path / "mooring.toml"
    manifest.write_text((manifest.read_text() if manifest.exists() else "") + "\n" + RULES)
    app.commit("review apps that sleep soon")
    for words in (("deploy",), ("review", "up")):
        answer = app.mooring(*words)
        if answer.code:
            print(answer)
            return 1
    bare, woken = [], []
    for number in range(1, rounds + 1):
        bare.append(bare_boot(app))
        woken.append(wake(app))
        print(f"round {number}: bare boot {bare[-1]:.2f} s, wake {woken[-1]:.2f} s", flush=True)
    return tell(bare, woken)


def wake(app: App) -> float:
    """Seconds from the request until its answer."""
    eventually(lambda: is_asleep(app), within=120, every=0.5)
    host = status(app)["urls"][0].removeprefix("http://")
    began = time.monotonic()
    answered, body, _ = app.get("/health", headers={"Host": host, "Accept": "application/json"}, timeout=60)
    assert answered == 200, body
    return time.monotonic() - began


def is_asleep(app: App) -> bool:
    summary = status(app)
    name = summary["environment"]["environment"]
    return summary["is_asleep"] and not app.mooring("ps", "-e", name, "--json").json["instances"]


def status(app: App) -> dict:
    """The only review app's summary."""
    (found,) = app.mooring("review", "ls", "--json").json["reviews"]
    return found["summary"]


def tell(bare: list[float], woken: list[float]) -> int:
    middle = statistics.median
    figures = [
        Figure("bare boot of the app, by hand, median", middle(bare), "s", beside=f"slowest {max(bare):.2f} s"),
        Figure("a request to an app that sleeps to its answer, median", middle(woken), "s", beside=f"slowest {max(woken):.2f} s"),
        Figure("the same, over the bare boot", middle(woken) - middle(bare), "s", at_most=TARGET),
    ]
    return show("review", figures, {"bare_boot_s": bare, "wake_s": woken})


if __name__ == "__main__":
    sys.exit(main())
