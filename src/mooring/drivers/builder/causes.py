"""What probably went wrong in a build, guessed from its last lines, as advice. Must not: be the only thing a person is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec


class Cause(msgspec.Struct, frozen=True):
    pattern: re.Pattern[str]
    advice: str


def _cause(pattern: str, advice: str) -> Cause:
    return Cause(re.compile(pattern, re.IGNORECASE), advice)


CAUSES = (
    _cause(
        r"MemoryError|heap out of memory|Cannot allocate memory|Allocation failed|std::bad_alloc|memory allocation of \d+ bytes",
        "it ran into its memory limit: raise build.memory, or build with less",
    ),
    _cause(r"No space left on device|ENOSPC", "the disk is full: free some space, then deploy again"),
    _cause(r"EUSAGE|package-lock\.json are (not )?in sync|npm ci.*can only install", "run `npm install`, and commit package-lock.json"),
    _cause(r"lockfile .* needs to be updated|The lockfile at .uv\.lock", "run `uv lock`, and commit uv.lock"),
    _cause(
        r"Hash mismatch|hash.* do not match|EINTEGRITY", "what was downloaded is not what was locked: lock again, and look why it changed"
    ),
    _cause(r"Multiple top-level packages discovered", "remove [build-system] from pyproject.toml when the project is no package"),
    _cause(r"Failed to parse .*(toml|lock)|TOML parse error", "the file named in the last lines does not parse: correct it"),
    _cause(
        r"E404|was not found in the (package )?registry|no version of|not found in .* registry", "check the names and versions asked for"
    ),
    _cause(r"No solution found", "two requirements exclude each other, or a version does not exist: change the one named above"),
    _cause(
        r"dns error|Could not resolve host|ENOTFOUND|EAI_AGAIN|Connection refused|ETIMEDOUT|ECONNRESET|error sending request",
        "the package index did not answer: check the network and the proxy variables of the controller",
    ),
    _cause(
        r"(gcc|cc1?|g\+\+|clang|make|pg_config|cargo|rustc)\b.*(not found|No such file)",
        "a compiler or library it needs is not installed here",
    ),
    _cause(r"error: command '[^']*(gcc|cc|clang)[^']*' failed", "a compiler or library it needs is not installed here"),
    _cause(r"ModuleNotFoundError|ImportError|Cannot find module|ERR_MODULE_NOT_FOUND", "a module is missing: declare it as a dependency"),
    _cause(r"SyntaxError", "a file does not parse: see the line named above"),
    _cause(r"Missing script", "package.json has no script of that name"),
    _cause(r"Permission denied|EACCES", "a file may not be written or run: check its executable bit in git"),
    _cause(r"not found|No such file or directory", "a program or file it names is not there"),
)


def likely_cause(lines: Sequence[str], *, exit_code: int) -> str:
    """Advice as a sentence, from the first cause in the list that any line shows; empty when nothing is recognised."""
    for cause in CAUSES:
        if any(cause.pattern.search(line) for line in lines):
            return cause.advice
    if exit_code == 137:
        return "it was killed (signal 9), most likely for want of memory on the machine"
    return ""
