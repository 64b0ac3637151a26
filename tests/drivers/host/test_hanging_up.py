"""A host that hangs up before it says who it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from drivers.host.test_bastion import no_runtime

from mooring.drivers.host.ssh import SshHosts
from mooring.errors import Unavailable
from mooring.model.host import HostAddress
from mooring.server.edges import edge_kit
from mooring.server.installation import Installation


async def test_why_a_server_may_hang_up_at_once_is_told(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        address = HostAddress("deploy", "127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(Unavailable, match="cannot be reached") as told:
            await SshHosts(tmp_path, no_runtime, edge_kit(Installation(tmp_path))).offered_key(address)
    assert "try again in a minute" in told.value.hint
