"""The supervisor's process: supervisord with what our programs need, run as `python -I daemon.py DIRECTORY`, detached.

What differs from plain supervisord, each for a reason:
  - Programs come from their own records (run/NAME/launch), not from INI sections, in which not every path can be written.
  - It wakes at once when a child ends. By itself it looks once a second, and restarts at the look after that.
  - It becomes the parent of what its children leave behind (child subreaper), so that no zombie stays.
  - It notes how each process ended, raw: by which signal, and whether the kernel ran out of memory then.
Must not: know what an instance or an environment is, or read anything of the controller's.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # run by path with -I: the package is found from here, whatever is installed
    sys.path.append(__file__.rsplit("/", 5)[0])
    # It speaks to its own socket alone: without TLS in memory it is smaller by a fifth. None: "there is no such module".
    sys.modules.update(dict.fromkeys(("ssl", "_hashlib")))  # type: ignore[arg-type]

from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.supervisord import Supervisor as Supervisord

from mooring.drivers.peers import is_confined
from mooring.drivers.runtime.process.kept import groups

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, prctl(2)
_OPEN_FILES = 65_536  # two for each program, and the sockets
_CONFIGURATION = """\
[supervisord]
nodaemon=true
silent=true
logfile=supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile=supervisord.pid
childlogdir=.
nocleanup=true
umask=077

[unix_http_server]
file=/proc/self/cwd/supervisord.sock
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:mooring]
supervisor.rpcinterface_factory=mooring.drivers.runtime.process.interface:make

[supervisorctl]
serverurl=unix://supervisord.sock
"""


class Wakefulness(asyncore.file_dispatcher):  # type: ignore[misc]  # supervisor has no types
    """A pipe that the kernel's signals write to, so that the main loop's poll returns.

    The loop starts what has ended before it reaps what has ended: it must come round once more after each signal.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        super().__init__(self._reader)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        said = os.read(self._reader, 4096)
        if any(said):  # signal numbers; the zero is our own
            os.write(self._writer, b"\0")


def _guarded(accept: Callable[[], Any]) -> Callable[[], Any]:
    """Of a listening socket: confined programs are not let in. Raises ConnectionRefusedError, which its caller takes as any trouble."""

    def accepted() -> Any:
        found = accept()
        if found is not None and is_confined(found[0]):
            found[0].close()
            raise ConnectionRefusedError("a confined program")
        return found

    return accepted


class Options(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    def make_http_servers(self, supervisord: Any) -> Any:
        servers = super().make_http_servers(supervisord)
        for _, server in servers:
            server.accept = _guarded(server.accept)
        return servers

    def process_groups_from_parser(self, parser: Any) -> list[Any]:
        return groups(self, Path("run"))

    def setsignals(self) -> None:
        super().setsignals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # to supervisord it means: restart everything
        self.wakefulness = Wakefulness()


def main(directory: str) -> None:
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir(directory)
    os.umask(0o077)
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES), hard))
    configuration = Path("supervisord.conf")
    configuration.write_text(_CONFIGURATION)
    Path("supervisord.sock").unlink(missing_ok=True)  # whoever starts us holds the lock: nobody serves it
    options = Options()
    options.realize(["-c", str(configuration)])
    options.first, options.test = True, False
    try:
        Supervisord(options).main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1])
