"""Starts the attendant: `python -m mooring.drivers.edge.envoy.attendant DIRECTORY RUN_DIRECTORY MAX_HELD`. Must not: do anything else."""

from __future__ import annotations

import sys

if __name__ == "__main__":  # it speaks to Envoy alone, over sockets of its own: without TLS in memory it is smaller by a fifth
    sys.modules.update(dict.fromkeys(("ssl", "_hashlib")))  # type: ignore[arg-type]  # None: "there is no such module"

import asyncio
import os
import signal
from pathlib import Path

from mooring.drivers.edge.envoy.attendant.server import Attendant
from mooring.drivers.edge.envoy.settings import Layout
from mooring.drivers.edge.files import read_whole


async def serve(arguments: list[str]) -> None:
    directory, run_directory, max_held = arguments
    layout = Layout(Path(directory), Path(run_directory))
    token = (read_whole(layout.token) or b"").decode()
    attendant = Attendant(layout, token=token, max_held=int(max_held))
    serving = asyncio.create_task(attendant.serve())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return


if __name__ == "__main__":
    os.umask(0o077)
    asyncio.run(serve(sys.argv[1:]))
