"""A repository elsewhere, asked and fetched with git itself: argument lists, one protocol, no hook, filter, submodule or LFS, and limits.

The token goes in git's environment, for the repository's own host alone. Must not: follow a redirect, or ask a person for a password.
"""

from __future__ import annotations

import asyncio
import base64
import os
import resource
import shutil
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

from mooring.errors import InvalidInput, NotFound, Unavailable
from mooring.model.forge import ForgeLink, Pull
from mooring.model.secret import Secret

PROTOCOLS = ("https", "http", "ssh", "file")
LARGEST_PACK = 2_000_000_000  # bytes of what one fetch may write
_WITHIN = 600.0  # seconds
_LARGEST_ANSWER = 20_000_000  # bytes of a list of branches
_HEADS = "refs/heads/"
_KEPT = "refs/forge/"
_KEPT_PULLS = "refs/forge-pulls/"
_PASSED = ("PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY")
_FIXED = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=10",
}
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "http.followRedirects": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "fetch.fsckObjects": "true",
    "fetch.recurseSubmodules": "false",
    "protocol.allow": "never",
    "gc.auto": "0",
}


class GitRemote:
    """Raises InvalidInput for an address that is none."""

    def __init__(self, link: ForgeLink, token: Secret) -> None:
        check_url(link.url)
        self._url = link.url
        self._token = token
        self._scheme = urlsplit(link.url).scheme

    async def heads(self) -> dict[str, str]:
        answer = await self._git("ls-remote", "--heads", "--", self._url)
        rows = (line.split("\t") for line in answer.decode("utf-8", "replace").splitlines())
        return {row[1].removeprefix(_HEADS): row[0] for row in rows if len(row) == 2 and row[1].startswith(_HEADS)}

    async def fetch(self, branch: str, repository: Path) -> str:
        """Only the commit itself, without its history."""
        return await self._fetched(f"{_HEADS}{branch}", f"{_KEPT}{branch}", repository, what=f"branch {branch}")

    async def fetch_pull(self, pull: Pull, repository: Path) -> str:
        return await self._fetched(pull.ref, f"{_KEPT_PULLS}{pull.number}", repository, what=f"pull request {pull.number}")

    async def _fetched(self, ref: str, place: str, repository: Path, *, what: str) -> str:
        if not (repository / "HEAD").is_file():
            repository.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", str(repository))
        words = ("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--force")
        try:
            await self._git(f"--git-dir={repository}", *words, "--", self._url, f"{ref}:{place}")
        except Unavailable as error:
            if "couldn't find remote ref" in error.message:
                raise NotFound(f"there is no {what} any more", where=self._url) from None
            raise
        found = await self._git(f"--git-dir={repository}", "rev-parse", "--verify", "--end-of-options", f"{place}^{{commit}}")
        return found.decode("ascii").strip()

    async def forget(self, branch: str, repository: Path) -> None:
        if (repository / "HEAD").is_file():
            await self._git(f"--git-dir={repository}", "update-ref", "--no-deref", "-d", f"{_KEPT}{branch}")

    async def tidy(self, repository: Path, *, pulls: Collection[int], older: float) -> None:
        if not (repository / "HEAD").is_file():
            return
        there = f"--git-dir={repository}"
        named = await self._git(there, "for-each-ref", "--format=%(refname)", _KEPT_PULLS)
        for ref in sorted(set(named.decode("ascii").split()) - {f"{_KEPT_PULLS}{number}" for number in pulls}):
            await self._git(there, "update-ref", "--no-deref", "-d", ref)
        await self._git(there, "gc", "--quiet", f"--prune={round(older)}.seconds.ago")

    async def _git(self, *words: str) -> bytes:
        """What it says. Raises Unavailable with git's own last words."""
        program = shutil.which("git")
        if program is None:
            raise Unavailable("git is not installed", hint="install git on the platform's machine")
        process = await asyncio.create_subprocess_exec(
            program, *words, env=self._environment(), cwd="/", limit=_LARGEST_ANSWER,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LARGEST_PACK, LARGEST_PACK))  # its children inherit it
        except ProcessLookupError:
            pass  # it has ended already
        try:
            async with asyncio.timeout(_WITHIN):
                said, complaint = await process.communicate()
        except TimeoutError:
            raise Unavailable(f"git took longer than {_WITHIN:.0f} seconds with {self._url}", hint="it is tried again") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            words_of_git = complaint.decode("utf-8", "replace").strip().splitlines()
            last = next((line for line in words_of_git if line.startswith(("fatal:", "error:"))), words_of_git[-1] if words_of_git else "")
            hint = "try `git ls-remote` with that address as the user who runs the platform; look at what the token may"
            raise Unavailable(f"git could not read {self._url}: {last[:300] or 'it said nothing'}", hint=hint)
        return said

    def _environment(self) -> dict[str, str]:
        settings = {**_SETTINGS, f"protocol.{self._scheme}.allow": "always"}
        if self._token.reveal() and self._scheme in ("https", "http"):
            known = base64.b64encode(f"x-access-token:{self._token.reveal()}".encode()).decode()
            parts = urlsplit(self._url)
            settings[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = f"Authorization: Basic {known}"
        numbered = {
            f"GIT_CONFIG_{what}_{number}": text
            for number, pair in enumerate(settings.items())
            for what, text in zip(("KEY", "VALUE"), pair, strict=True)
        }
        passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
        return {**passed, **_FIXED, "GIT_CONFIG_COUNT": str(len(settings)), "GIT_ALLOW_PROTOCOL": self._scheme, **numbered}


def check_url(url: str) -> None:
    """Raises InvalidInput. What is a local path or another helper's address (`ext::`) is none."""
    parts = urlsplit(url)
    is_plain = url.isprintable() and " " not in url and len(url) <= 500
    if parts.scheme not in PROTOCOLS or not is_plain or (parts.scheme != "file" and not parts.hostname) or parts.query or parts.fragment:
        raise InvalidInput(
            f"{url[:100]!r} is no address that git may fetch from", hint=f"use {', '.join(f'{each}://…' for each in PROTOCOLS)}"
        )
    if parts.password is not None or (parts.hostname or "").startswith("-") or (parts.username or "").startswith("-"):
        raise InvalidInput("an address holds no password", hint="give the token on standard input")
