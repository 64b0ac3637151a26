"""An idle controller holds what it needs, and no library that waits for somebody to ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

WIRED = """
import sys
from mooring.server.installation import Installation
from mooring.server.serve import wire
from mooring.server.settings import load

installation = Installation.here()
wire(installation, load(installation.state))
print(" ".join(sys.modules))
"""
ASKED_FOR = [
    "acme",
    "aiodocker",
    "asyncssh",
    "botocore",
    "mooring.drivers.edge.haproxy",
    "obstore",
    "prometheus_client",
    "psycopg",
    "pymysql",
    "redis",
    "rich",
    "websockets",
    "yaml",
]


def test_a_controller_that_has_just_begun_holds_nothing_that_nobody_asked_for(tmp_path: Path) -> None:
    variables = {**os.environ, "MOORING_STATE": str(tmp_path / "state")}
    loaded = subprocess.run([sys.executable, "-c", WIRED], capture_output=True, text=True, check=True, env=variables).stdout.split()
    assert [name for name in ASKED_FOR if name in loaded] == []
    assert "mooring.drivers.edge.envoy.edge" in loaded
