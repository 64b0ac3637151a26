"""How long a code-only redeploy takes until the new release answers, against the bare boot of the same app, in one run.

    bin/bench redeploy [--rounds 10]

Bare boot: the same gunicorn command by hand, in the same built environment, from its start until /health answers.
Redeploy: from the start of `mooring deploy` until the edge's first answer by the new release.
Rounds alternate, so that both meet the same machine.

Takes about 100 s.
"""

from __future__ import annotations

import argparse
import http.client
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from parts.showing import Figure, show

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.platform import App, Platform, free_port, running, short_directory  # noqa: E402 (the tests' own platform is the one measured)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    with short_directory() as directory, running(Platform(directory)) as here:
        return measure(here, rounds)


def measure(here: Platform, rounds: int) -> int:
    app = here.app(ROOT / "examples" / "minitwit")
    here.mooring("config", "set", f"DATA_DIR={here.directory / 'data'}", cwd=app.path)
    first = app.deploy()
    if first.code:
        print(first)
        return 1
    bare, answered, ended = [], [], []
    for number in range(2, rounds + 2):
        bare.append(bare_boot(app))
        first_answer, total = redeploy(app, number)
        answered.append(first_answer)
        ended.append(total)
        print(f"round {number - 1}: bare boot {bare[-1]:.2f} s, first answer {first_answer:.2f} s, deploy ended {total:.2f} s", flush=True)
    return tell(bare, answered, ended)


def bare_boot(app: App) -> float:
    """Seconds from starting gunicorn by hand until /health answers 200."""
    release = app.mooring("releases", "--json").json["releases"][0]
    artifact = release["artifact"]
    port = free_port()
    variables = {**app.platform.variables, **artifact["environment"], "PORT": str(port), "DATA_DIR": str(app.platform.directory / "bare")}
    command = ["gunicorn", "--bind", f"127.0.0.1:{port}", "minitwit.wsgi:application"]
    shutil.rmtree(app.platform.directory / "bare", ignore_errors=True)
    subprocess.run(["python", "-m", "minitwit.release"], cwd=artifact["directory"], env=variables, check=True, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    process = subprocess.Popen(
        [shutil.which(command[0], path=variables["PATH"]) or command[0], *command[1:]],
        cwd=artifact["directory"],
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answers(port, "/health", host="localhost")[0]:
            time.sleep(0.01)
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def redeploy(app: App, number: int) -> tuple[float, float]:
    """Seconds until the first answer of the new release, and until the command ended."""
    (app.path / "VERSION").write_text(f"{number}.0.0\n")
    app.commit(f"version {number}")
    began = time.monotonic()
    deploying = app.platform.start("deploy", "--json", cwd=app.path)
    first = None
    while deploying.poll() is None or first is None:
        is_up, version = answers(app.platform.port, "/health", host=app.host)
        if first is None and is_up and version == f"{number}.0.0":
            first = time.monotonic() - began
        if deploying.poll() not in (None, 0):
            raise SystemExit(f"deploy failed: {deploying.communicate()}")
        time.sleep(0.01)
    total = time.monotonic() - began
    deploying.communicate()
    return first, total


def answers(port: int, path: str, *, host: str) -> tuple[bool, str]:
    """Whether it answers 200, and the app's version."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200, answer.getheader("X-Minitwit-Version", "")
    except OSError:
        return False, ""
    finally:
        connection.close()


def tell(bare: list[float], answered: list[float], ended: list[float]) -> int:
    middle = statistics.median
    over = middle(answered) - middle(bare)
    figures = [
        Figure("bare boot of the app, by hand, median", middle(bare), "s", beside=f"slowest {max(bare):.2f} s"),
        Figure("command's start to the new release's first answer, median", middle(answered), "s", beside=f"slowest {max(answered):.2f} s"),
        Figure("the same, over the bare boot", over, "s", at_most=1.0, beside=f"{middle(answered) / middle(bare):.2f} times it"),
        Figure("command's start to its end, with watch and drain, median", middle(ended), "s", beside=f"slowest {max(ended):.2f} s"),
    ]
    return show("redeploy", figures, {"bare_boot_s": bare, "first_answer_s": answered, "ended_s": ended})


if __name__ == "__main__":
    sys.exit(main())
