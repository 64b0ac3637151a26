"""Questions: asked only at a terminal, and never for what could be given otherwise."""

from __future__ import annotations

import inspect
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from console import mooring
from fake_platform import SHOP, FakePlatform

from mooring.cli.trust import Act, Acts, how_to_trust, install, trust_lines
from mooring.client.client import Client
from mooring.errors import NotFound, Refused, Unavailable


@pytest.mark.parametrize(
    ("typed", "code", "is_there"),
    [(b"shop\n", 0, False), (b"shop/production\n", 0, False), (b"\n", 2, True), (b"yes\n", 2, True), (b"", 2, True)],
)
def test_destroy_asks_for_the_name_at_a_terminal(platform: FakePlatform, typed: bytes, code: int, is_there: bool) -> None:
    answer = mooring("destroy", platform=platform, is_terminal=True, stdin=typed)
    assert "Type its name to go on:" in answer.err
    assert answer.code == code
    assert (SHOP in platform.releases_of) == is_there


def test_destroy_asks_nobody_when_a_program_waits_for_json(platform: FakePlatform) -> None:
    answer = mooring("destroy", "--json", platform=platform, is_terminal=True, stdin=b"shop\n")
    assert answer.code == 2
    assert SHOP in platform.releases_of


def test_a_secret_typed_at_a_terminal_is_not_shown(tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from mooring.cli.main import main; main()", "secret", "set", "API_KEY", "-a", "shop"]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "MOORING_STATE": str(tmp_path / "s"), "HOME": str(tmp_path), "TERM": "xterm"}
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=tmp_path, start_new_session=True)
    os.close(theirs)
    shown = b""
    try:
        while b"(not shown):" not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, b"s3cr3t\n")
        assert process.wait(timeout=30) == 2  # no platform runs
        shown += os.read(ours, 4096)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"s3cr3t" not in shown
    assert b"mooring up" in shown


def authority(state: Path) -> Path:
    certificate = state / "edge" / "authority" / "authority.crt"
    certificate.parent.mkdir(parents=True)
    certificate.write_text("certificate")
    return certificate


def test_trust_shows_what_it_would_run_and_does_nothing_unasked(platform: FakePlatform, tmp_path: Path) -> None:
    certificate = authority(tmp_path)
    answer = mooring("trust", platform=platform, variables={"MOORING_STATE": str(tmp_path), "HOME": str(tmp_path)})
    assert answer.code == 2
    assert f"install -m 0644 {certificate} /usr/local/share/ca-certificates/mooring-local.crt" in answer.err
    assert "nothing was installed" in answer.err


def test_trust_without_an_authority_says_how_to_get_one(platform: FakePlatform, tmp_path: Path) -> None:
    answer = mooring("trust", "--yes", platform=platform, variables={"MOORING_STATE": str(tmp_path)})
    assert answer.code == 2
    assert "mooring up" in answer.err
    with pytest.raises(NotFound):
        how_to_trust({"MOORING_STATE": str(tmp_path)})


def test_trust_without_root_runs_nothing_and_gives_the_commands(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    acts = Acts(tmp_path / "a.crt", (Act(("touch", str(ran)), "a test", True),))
    with pytest.raises(Refused) as refused:
        install(acts, is_root=False)
    assert refused.value.hint == f"run it yourself: sudo touch {ran}"
    assert not ran.exists()
    install(acts, is_root=True)
    assert ran.exists()


def test_trust_tells_which_program_failed(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="false ended with exit code 1"):
        install(Acts(tmp_path, (Act(("false",), "a test", False),)))
    with pytest.raises(Unavailable, match="could not be run"):
        install(Acts(tmp_path, (Act((str(tmp_path / "absent"),), "a test", False),)))
    assert trust_lines(Acts(tmp_path, ()), width=80)


def test_the_fake_platform_takes_the_same_arguments_as_the_real_client() -> None:
    ours = {name: method for name, method in vars(FakePlatform).items() if inspect.isfunction(method) and not name.startswith("_")}
    theirs = {name: getattr(Client, name, None) for name in ours}
    assert [name for name, method in theirs.items() if method is None] == []
    assert {name: inspect.signature(method).parameters for name, method in ours.items()} == {
        name: inspect.signature(method).parameters for name, method in theirs.items()
    }
