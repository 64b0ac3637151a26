"""Where things lie on the host, and the systemd that keeps them: the system's own for root, the account's own for anybody else.

    DIRECTORY/run/<slug>/        an instance: instance.json, launch (0600, with its environment), secrets/, status.json, exit.json
    DIRECTORY/tasks/<slug>/      a one-off, likewise; begun, result.json
    DIRECTORY/sessions/<name>/   a command with somebody attached, or of a check, likewise; gone with it
    DIRECTORY/known/<slug>/      units whose lines in the journal are told; gone with `forget`
    DIRECTORY/artifacts/, dependencies/, ports/, fences/
    DIRECTORY/volumes/<env>/     what an accessory keeps; of root's units below STATES

Must not: start or stop anything by itself.
"""

from __future__ import annotations

import os
import subprocess

from mooring.drivers.runtime.systemd.onhost import record

ROOT_DIRECTORY = "/var/lib/mooring"
STATES = "/var/lib/mooring-apps"  # as StateDirectory in units.py has it
_WITHIN = 90  # seconds for a command of systemd that does not wait for an app


class Place:
    """`directory` empty: the usual one of the account."""

    def __init__(self, directory: str, program: str) -> None:
        self.is_root = os.getuid() == 0
        home = os.path.expanduser("~")
        self.directory = directory or (ROOT_DIRECTORY if self.is_root else f"{home}/.local/share/mooring")
        self.program = program
        runtime = os.environ.setdefault("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
        self.units = "/etc/systemd/system" if self.is_root else f"{home}/.config/systemd/user"
        self.passing_units = "/run/systemd/system" if self.is_root else f"{runtime}/systemd/user"
        self.target = "multi-user.target" if self.is_root else "default.target"

    def path(self, *parts: str) -> str:
        return "/".join((self.directory, *parts))

    def volume(self, environment: str) -> str:
        """What an environment's instances may write to and find again; root's systemd makes it for the user that it makes."""
        return f"{STATES}/{environment}" if self.is_root else self.path("volumes", environment)

    def volumes(self, environment: str) -> list[str]:
        """Those that there are of it and of its accessories; of root's also where a user made by systemd has it."""
        folders = [STATES, STATES.replace("/lib/", "/lib/private/")] if self.is_root else [self.path("volumes")]
        names = [(folder, name) for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)]
        return [f"{folder}/{name}" for folder, name in names if name == environment or name.startswith(f"{environment}.")]

    def check(self) -> None:
        """That there is a systemd which keeps units of this account after it has left."""
        if not os.path.isdir("/run/systemd/system"):
            raise record.Failed("unavailable", "systemd does not run here", "use a host with systemd, or another runtime")
        if self.is_root or os.path.exists(f"/var/lib/systemd/linger/{_account()}"):
            return
        done = subprocess.run(["loginctl", "enable-linger"], capture_output=True, stdin=subprocess.DEVNULL, timeout=_WITHIN)
        if done.returncode:
            hint = f"run once as root: loginctl enable-linger {_account()}"
            raise record.Failed("needs-person", f"units of {_account()} would end when it logs out", hint)

    def starting(self, unit: str) -> subprocess.Popen[bytes]:
        """A process that lives as long as the unit does; what is wrong with it goes to its standard error."""
        none = subprocess.DEVNULL
        return subprocess.Popen(self._command("start", "--wait", "--", unit), stdin=none, stdout=none, stderr=subprocess.PIPE)

    def _command(self, *words: str) -> list[str]:
        return ["systemctl", *([] if self.is_root else ["--user"]), "--no-ask-password", *words]

    def systemctl(self, *words: str, within: float = _WITHIN) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self._command(*words), capture_output=True, stdin=subprocess.DEVNULL, timeout=within)

    def shown(self, units: list[str], *properties: str) -> dict[str, dict[str, str]]:
        """What systemd says of each; `LoadState=not-found` for what it does not know."""
        if not units:
            return {}
        done = self.systemctl("show", "--property", ",".join(("Id", *properties)), "--", *units)
        if done.returncode:
            raise record.Failed("unavailable", f"systemctl show: {done.stderr.decode(errors='replace').strip()}")
        blocks = done.stdout.decode(errors="replace").split("\n\n")
        rows = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
        return {row["Id"]: row for row in rows if "Id" in row}

    def clear(self, unit: str) -> None:
        """Systemd forgets how it ended: it does not load a unit anew that it remembers as failed."""
        self.systemctl("reset-failed", "--", unit)

    def order(self, *words: str, within: float = _WITHIN) -> None:
        done = self.systemctl(*words, within=within)
        if done.returncode:
            raise record.Failed("unavailable", f"systemctl {words[0]}: {done.stderr.decode(errors='replace').strip()}")


def _account() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name
