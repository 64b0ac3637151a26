"""`mooring trust --yes` on a real system's store of certificates: a copy of it, in a mount namespace that ends with the test."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mooring.drivers.edge.certificates import LocalAuthority

STORE = Path("/etc/ssl/certs")
LOCAL = Path("/usr/local/share/ca-certificates")
SCRIPT = """
set -eu
mount --bind "$1/certs" /etc/ssl/certs
mount --bind "$1/local" /usr/local/share/ca-certificates
echo "before: $(openssl verify -CApath /etc/ssl/certs "$1/leaf.crt" 2>&1)"
"$2" trust --yes
echo "after: $(openssl verify -CApath /etc/ssl/certs "$1/leaf.crt" 2>&1)"
echo "foreign: $(openssl verify -CApath /etc/ssl/certs "$1/foreign.crt" 2>&1)"
"$2" trust --yes
cat /etc/ssl/certs/ca-certificates.crt > "$1/bundle"
"""


@pytest.fixture
def namespace() -> list[str]:
    """The words before a command that shall see its own mounts. As root, or in a user namespace where one may make those."""
    for words in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        if subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            return words
    pytest.fail("this test needs a mount namespace: run it as root, or where `unshare --user --map-root-user --mount true` works")


def content(directory: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_what_is_trusted_by_command_is_trusted_by_the_system_and_nothing_outside_was_touched(namespace: list[str], tmp_path: Path) -> None:
    assert shutil.which("update-ca-certificates", path=f"{os.environ['PATH']}:/usr/sbin:/sbin"), "install ca-certificates"
    for name, place in (("certs", STORE), ("local", LOCAL)):
        shutil.copytree(place, tmp_path / name, symlinks=True)
    authority = LocalAuthority(tmp_path / "state" / "edge" / "authority")
    (tmp_path / "leaf.crt").write_text(authority.sign(("shop.localhost",), now=time.time()).chain)
    (tmp_path / "foreign.crt").write_text(LocalAuthority(tmp_path / "another").sign(("shop.localhost",), now=time.time()).chain)
    outside = content(STORE), content(LOCAL)

    variables = {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "HOME": str(tmp_path), "MOORING_STATE": str(tmp_path / "state")}
    program = Path(sys.executable).with_name("mooring")
    done = subprocess.run(
        [*namespace, "sh", "-c", SCRIPT, "sh", str(tmp_path), str(program)], env=variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if line.startswith(("before: ", "after: ", "foreign: ")))
    assert not said["before"].endswith("OK")
    assert said["after"].endswith("leaf.crt: OK")
    assert not said["foreign"].endswith("OK")
    assert (tmp_path / "bundle").read_text().count(authority.certificate_path.read_text().strip()) == 1, (
        "once, however often it is asked for"
    )
    assert (content(STORE), content(LOCAL)) == outside
