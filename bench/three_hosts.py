"""A redeploy to three real container hosts against one to one of them, in one run.

    bin/bench three_hosts [--rounds 8]

Two apps of the same Dockerfile, one instance a host: one app on one host, one on three. From the start of `mooring deploy` until the new
release answers, and until the command has ended, with watch and drain. Rounds alternate, so that both meet the same machine.

Needs root, and what tests/fleet and tests/docker need; three real hosts are booted, and share this machine's cores.
Takes about two minutes.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from docker_by_hand import MANIFEST, add, deploy, expect, write_app
from parts.showing import Figure, show

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from docker.engine import DockerEngine  # noqa: E402 (the tests' own hosts and engines are those measured)
from docker.engine import missing as engine_missing  # noqa: E402
from e2e.platform import App, Platform  # noqa: E402
from fleet.rig import Fleet, Host  # noqa: E402
from fleet.rig import missing as fleet_missing  # noqa: E402

HOSTS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    rounds = parser.parse_args().rounds
    reason = engine_missing() or fleet_missing()
    if reason:
        raise SystemExit(reason)
    directory = Path(tempfile.mkdtemp(prefix="b-", dir="/tmp"))
    engine = DockerEngine(directory / "e", bridge="mooring-bench", subnet="10.77.251.1/24")
    fleet, here = Fleet(), Platform(directory / "m")
    try:
        engine.start()
        engine.make_base("base:1")
        hosts = fleet.start(HOSTS)
        here.directory.mkdir()
        here.variables["DOCKER_HOST"] = f"unix://{engine.socket}"
        here.up()
        for host in hosts:
            host.start_docker()
            add(here, host)
        return measure(app_on(here, hosts[:1], "one"), app_on(here, hosts, "three"), rounds)
    finally:
        here.down()
        here.kill_all()
        fleet.stop()
        engine.stop()
        shutil.rmtree(directory, ignore_errors=True)


def app_on(here: Platform, hosts: tuple[Host, ...], name: str) -> App:
    """Deployed once."""
    source = here.directory / f"origin-{name}"
    write_app(source)
    names = ", ".join(f'"{host.name}"' for host in hosts)
    region = f"[regions.default]\nhosts = [{names}]\n\n[processes.web]\ncount = {len(hosts)}\n"
    (source / "mooring.toml").write_text(MANIFEST.replace("[regions.default]\n", region))
    app = here.app(source, name)
    expect(app.deploy())
    return app


def measure(one: App, three: App, rounds: int) -> int:
    answered: dict[App, list[float]] = {one: [], three: []}
    ended: dict[App, list[float]] = {one: [], three: []}
    for number in range(2, rounds + 2):
        for app in (one, three):
            first, total = deploy(app, number)
            answered[app].append(first)
            ended[app].append(total)
        print(f"round {number - 1}: first answer {answered[one][-1]:.2f} and {answered[three][-1]:.2f} s", flush=True)
    middle = statistics.median
    figures = [
        *(
            Figure(f"to {hosts}: {what}, median", middle(took[app]), "s", beside=f"slowest {max(took[app]):.2f} s")
            for what, took in (("start to the new release's first answer", answered), ("start to the end, with watch and drain", ended))
            for app, hosts in ((one, "one host"), (three, "three hosts"))
        ),
        Figure("the first answer, three over one", middle(answered[three]) / middle(answered[one]), "×", at_most=1.5),
        Figure("the end, three over one", middle(ended[three]) / middle(ended[one]), "×", at_most=1.5),
    ]
    return show("three_hosts", figures, {each.name: {"first_answer_s": answered[each], "ended_s": ended[each]} for each in (one, three)})


if __name__ == "__main__":
    sys.exit(main())
