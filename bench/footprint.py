"""What a platform with one app takes while nobody asks anything of it: memory, processor, and how long a command takes.

    bin/bench footprint [--seconds 60]

Memory is told in both ways: resident (RSS), in which what several processes share counts for each of them, and proportional (PSS),
which adds up to what the machine really has less of. The app's own processes are no part of it.

Takes about 90 s.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import io
import statistics
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil
from parts.showing import Figure, show

import mooring

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from e2e.platform import MOORING, Platform, running, short_directory  # noqa: E402 (the tests' own platform is the one measured)

SETTLE = 10.0  # seconds from the end of the deploy
COMMANDS = 15
BARE = "supervisord 31, FastAPI 72, Envoy 65 MB alone"
PARTS = {  # a word of the command line, and what it is
    "mooring.server": "controller",
    "daemon.py": "supervisor",
    "envoy/_bin/envoy": "Envoy",
    "envoy.attendant": "attendant",
    "logkeeper.py": "log keeper",
}
NAMED = ("controller", "supervisor", "Envoy")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="of idling that are measured")
    asked = parser.parse_args()
    compile_all()
    with short_directory() as directory, running(Platform(directory)) as here:
        app = here.app(ROOT / "examples" / "minitwit")
        here.mooring("config", "set", f"DATA_DIR={directory / 'data'}", cwd=app.path)
        done = app.deploy()
        if done.code:
            print(done)
            return 1
        return measure(here, app.path, seconds=asked.seconds)


def compile_all() -> None:
    """As an installer does: else the first controller compiles, and keeps the memory that takes."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for place in (Path(mooring.__file__).parent, sysconfig.get_path("purelib")):
            compileall.compile_dir(place, quiet=2)


def measure(here: Platform, directory: Path, *, seconds: float) -> int:
    time.sleep(SETTLE)
    processes = parts(here)
    memory = {name: process.memory_full_info() for name, process in processes.items()}
    before = {name: cpu(process) for name, process in processes.items()}
    time.sleep(seconds)
    idle = {name: 100 * (cpu(process) - before[name]) / seconds for name, process in processes.items()}
    helped = [lasted(here, directory, "--help") for _ in range(COMMANDS)]
    listed = [lasted(here, directory, "ps") for _ in range(COMMANDS)]
    resident = {name: each.rss / 1e6 for name, each in memory.items()}
    share = {name: each.pss / 1e6 for name, each in memory.items()}
    figures = [
        Figure("controller + supervisor + Envoy, resident", sum(resident[name] for name in NAMED), "MB", at_most=170, beside=BARE),
        Figure("all five of the platform's processes, proportional", sum(share.values()), "MB", at_most=170),
        Figure("all five, resident: what they share counted five times", sum(resident.values()), "MB"),
        Figure("idle, all five together, of one core", sum(idle.values()), "%", at_most=1),
        Figure("mooring --help, median", statistics.median(helped), "s", at_most=0.15, beside=f"best {min(helped):.3f} s"),
        Figure("mooring ps, median", statistics.median(listed), "s", at_most=0.3, beside=f"best {min(listed):.3f} s"),
    ]
    facts = {"resident_mb": resident, "proportional_mb": share, "idle_percent": idle, "help_s": helped, "ps_s": listed}
    print(f"{'':12}{'RSS MB':>9}{'PSS MB':>9}{'idle %':>9}")
    for name in processes:
        print(f"{name:12}{resident[name]:9.1f}{share[name]:9.1f}{idle[name]:9.2f}")
    return show("footprint", figures, facts)


def parts(here: Platform) -> dict[str, psutil.Process]:
    """The platform's own processes; each must be there once."""
    found = {}
    for process in (psutil.Process(pid) for pid in here.pids()):
        line = " ".join(process.cmdline())
        name = next((name for word, name in PARTS.items() if word in line), "")
        if name:
            found[name] = process
    missing = set(PARTS.values()) - set(found)
    if missing:
        raise SystemExit(f"not running: {', '.join(sorted(missing))}")
    return found


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def lasted(here: Platform, directory: Path, *words: str) -> float:
    began = time.monotonic()
    subprocess.run([*MOORING, *words], cwd=directory, env=here.variables, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
