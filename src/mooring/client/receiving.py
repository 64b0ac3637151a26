"""The other end of `git push`: what sshd runs for a key that may push takes commits into a bare repository, one an app.

Git's own `update` hook has each branch deployed before git moves it, so a branch stands where it was when its deployment fails.
Must not: run anything but git, give a shell, or send anything back but what git says.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from mooring.client.git import Git, program_environment
from mooring.errors import Forbidden, InvalidName, UsageError
from mooring.model.names import AppName, app_name

KEY, APP, STATE = "MOORING_PUSH_KEY", "MOORING_PUSH_APP", "MOORING_STATE"  # for the hook
LARGEST_PUSH = 2_000_000_000  # bytes
_HOOK = '#!/bin/sh\nexec "$MOORING_PYTHON" -P -m mooring.cli git-deploy "$@"\n'
_SETTINGS = {
    "receive.fsckObjects": "true",
    "receive.maxInputSize": str(LARGEST_PUSH),
    "receive.denyNonFastForwards": "false",
    "core.fsmonitor": "false",
}


def pushed_app(command: str, *, only: Collection[str] = ()) -> AppName:
    """The app of what ssh was asked to run, like `git-receive-pack '/shop'`. Raises UsageError, Forbidden, InvalidName."""
    if not command:
        raise UsageError("this key is for `git push` alone: it opens no shell", hint="git remote add mooring ssh://USER@HOST/APP")
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if len(words) != 2 or words[0] != "git-receive-pack":
        hint = "push with it; `mooring context add` is for everything else"
        raise UsageError(f"this key is for `git push` alone, not for {command[:80]!r}", hint=hint)
    name = words[1].strip("/").removesuffix(".git")
    try:
        app = app_name(name)
    except InvalidName as error:
        raise InvalidName(
            error.message, hint=f"end the remote's address with the app's name: ssh://USER@HOST/shop ({error.hint})"
        ) from None
    if only and app not in only:
        raise Forbidden(f"this key may not push to {app}", hint=f"it is for {', '.join(sorted(only))}")
    return app


def receive(app: AppName, *, key: str, state: Path) -> int:
    """Let git speak on standard input and output until the push has ended; gives git's exit code."""
    folder = state / "git"
    hooks = _hooks(folder)
    repository = _repository(folder, app)
    settings = [word for name, value in {**_SETTINGS, "core.hooksPath": str(hooks)}.items() for word in ("-c", f"{name}={value}")]
    command = [Git.program(), *settings, "receive-pack", str(repository)]
    environment = {**program_environment(), KEY: key, APP: app, STATE: str(state), "MOORING_PYTHON": sys.executable}
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603  # git itself, and a checked name


def of_hook(variables: Mapping[str, str]) -> tuple[str, AppName]:
    """The key and the app of the push that goes on. Raises UsageError outside one."""
    key, app = variables.get(KEY, ""), variables.get(APP, "")
    if not key or not app:
        raise UsageError("this is what git runs while somebody pushes", hint="`git push` it, or use `mooring deploy`")
    return key, app_name(app)


def _hooks(folder: Path) -> Path:
    """The directory with the one hook. Written beside and renamed: another push may be about to run it."""
    hooks = folder / "hooks"
    hooks.mkdir(mode=0o700, parents=True, exist_ok=True)
    hook = hooks / "update"
    if not hook.is_file() or hook.read_text() != _HOOK:
        beside = hooks / f"update.{os.getpid()}"
        beside.write_text(_HOOK)
        beside.chmod(0o700)
        beside.replace(hook)
    return hooks


def _repository(folder: Path, app: AppName) -> Path:
    """Made with the first push; git makes sense of two that begin at once."""
    repository = folder / f"{app}.git"
    if not (repository / "HEAD").is_file():
        Git(folder).ask("init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(repository))
    return repository
