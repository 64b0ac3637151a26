"""What no file of the program may hold: each rule reads a syntax tree and names the lines that break it.

`ALLOWED` says where a rule does not hold, and nowhere else; a file that no longer needs its line there is found too.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterator

Rule = Callable[[ast.AST], Iterator[ast.AST]]

SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
STARTERS = {
    "run",
    "Popen",
    "call",
    "check_call",
    "check_output",
    "create_subprocess_exec",
    "fork",
    "forkpty",
    "posix_spawn",
    "posix_spawnp",
}
CHANCE = {"random"}
CODE_MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "code", "codeop"}
CODE_CALLS = {"eval", "exec", "__import__"}
UNPACKING = {"extractall", "unpack_archive"}
WEAK = {"md5", "sha1"}
PRIVATE = ("token", "secret", "password", "passphrase", "signature", "credential")


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call with the name called, and what stands before its last dot where that is a plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            before = node.func.value if isinstance(node.func, ast.Attribute) else None
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield node, name, getattr(before, "id", getattr(before, "attr", ""))


def imported(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Each module that is imported, by its first name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, (node.module or "").partition(".")[0]


def shell_string(tree: ast.AST) -> Iterator[ast.AST]:
    for call, name, _ in calls(tree):
        by_word = [word.value for word in call.keywords if word.arg == "shell"]
        if name in SHELLS or any(not (isinstance(value, ast.Constant) and value.value is False) for value in by_word):
            yield call


def formatted_shell_line(tree: ast.AST) -> Iterator[ast.AST]:
    """`["sh", "-c", X]` is for an app's own line: X is a name or an attribute, never text put together here."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.List, ast.Tuple)):
            continue
        words = [element.value if isinstance(element, ast.Constant) else element for element in node.elts]
        for before, after in itertools.pairwise(words):
            is_shell = isinstance(words[0], str) and words[0].rpartition("/")[2] in ("sh", "bash", "dash", "zsh")
            if is_shell and before == "-c" and not isinstance(after, (ast.Name, ast.Attribute, str)):
                yield node


def process_start(tree: ast.AST) -> Iterator[ast.AST]:
    for call, name, before in calls(tree):
        is_exec = before == "os" and name.startswith(("exec", "spawn"))
        is_starter = name in STARTERS and before in ("subprocess", "asyncio", "os", "pty", "")
        if is_exec or (is_starter and not (before == "asyncio" and name == "run") and not (before == "" and name in ("run", "call"))):
            yield call
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module in ("subprocess", "os", "pty")
            and {each.name for each in node.names} & STARTERS
        ):
            yield node


def chance(tree: ast.AST) -> Iterator[ast.AST]:
    yield from (node for node, module in imported(tree) if module in CHANCE)


def code_from_data(tree: ast.AST) -> Iterator[ast.AST]:
    yield from (node for node, module in imported(tree) if module in CODE_MODULES)
    yield from (call for call, name, before in calls(tree) if name in CODE_CALLS and not before)


def foreign_unpacking(tree: ast.AST) -> Iterator[ast.AST]:
    """Archives are taken apart by our own extractor: Python 3.11's `filter="data"` can be led outside its target."""
    yield from (call for call, name, before in calls(tree) if name in UNPACKING or (name == "extract" and "tar" in before))


def guessable_place(tree: ast.AST) -> Iterator[ast.AST]:
    yield from (call for call, name, _ in calls(tree) if name in ("mktemp", "tempnam", "tmpnam"))


def unchecked_certificate(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
        if name in ("CERT_NONE", "_create_unverified_context"):
            yield node
        if isinstance(node, ast.keyword) and node.arg in ("verify", "check_hostname") and getattr(node.value, "value", None) is False:
            yield node.value


def weak_digest(tree: ast.AST) -> Iterator[ast.AST]:
    for call, name, _ in calls(tree):
        by_name = name == "new" and call.args and str(getattr(call.args[0], "value", "")).lower() in WEAK
        if name in WEAK or by_name:
            yield call
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "hashlib" and {alias.name for alias in node.names} & WEAK:
            yield node


def compared_in_variable_time(tree: ast.AST) -> Iterator[ast.AST]:
    """A token, or what stands for one, is compared by `hmac.compare_digest`; a length, a name or None may be compared as anything."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            yield from (node for side in (node.left, *node.comparators) if _is_private(side))


def _is_private(side: ast.AST) -> bool:
    while isinstance(side, (ast.Await, ast.Subscript)):
        side = side.value
    if isinstance(side, ast.Call):
        name = side.func.attr if isinstance(side.func, ast.Attribute) else getattr(side.func, "id", "")
        return name in ("reveal", "encode", "hexdigest", "digest") and (
            name == "reveal" or _is_private(getattr(side.func, "value", side.func))
        )
    name = side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "")
    return not name.isupper() and name.lower().strip("_").endswith(PRIVATE)


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        shell_string,
        formatted_shell_line,
        process_start,
        chance,
        code_from_data,
        foreign_unpacking,
        guessable_place,
        unchecked_certificate,
        weak_digest,
        compared_in_variable_time,
    )
}


ALLOWED: dict[str, dict[str, str]] = {
    "code_from_data": {"manifest/moving/yaml_tree.py": "the parser's events alone: nothing is constructed from them"},
    "chance": {"testing/simulator/chance.py": "the simulator's stories, each by its seed"},
    "foreign_unpacking": {"drivers/runtime/systemd/onhost/artifacts.py": "what the controller itself packed"},
    "formatted_shell_line": {"drivers/runtime/shell.py": "puts exec before an app's own line"},
    "process_start": {
        "cli/trust.py": "sudo and the system's certificate tools, shown before",
        "client/git.py": "git",
        "client/platform.py": "the controller's starter",
        "client/receiving.py": "git, which takes a push",
        "client/ssh.py": "ssh",
        "drivers/builder/container/folders.py": "docker, for a folder of an image",
        "drivers/builder/container/program.py": "docker, about images that were built here",
        "drivers/builder/sandbox.py": "a builder's tools",
        "drivers/builder/warden.py": "what a build leaves behind ends with it",
        "drivers/edge/haproxy/launch.py": "becomes HAProxy",
        "drivers/edge/haproxy/log_space.py": "fallocate, which cuts the access log",
        "drivers/edge/haproxy/programs.py": "HAProxy's own word on its version",
        "drivers/forge/remote.py": "git, about a repository elsewhere",
        "drivers/operator_program.py": "the operator's program that sets TXT records, or lends hosts",
        "drivers/runtime/process/asking.py": "a health check's command",
        "drivers/runtime/process/controlling.py": "a terminal for an app's command",
        "drivers/runtime/process/landlock.py": "an app's command, confined",
        "drivers/runtime/process/daemon.py": "the supervisor leaves its parent",
        "drivers/runtime/process/launcher.py": "an instance",
        "drivers/runtime/process/session.py": "a command with somebody attached",
        "drivers/edge/haproxy/onhost.py": "systemctl and fallocate, on an edge's host",
        "drivers/runtime/process/supervisor.py": "the supervisor",
        "drivers/runtime/process/task.py": "a release command",
        "drivers/runtime/systemd/onhost/journal.py": "journalctl",
        "drivers/runtime/systemd/onhost/launch.py": "an instance",
        "drivers/runtime/systemd/onhost/place.py": "systemctl",
        "drivers/service/mysql/carrying.py": "mariadb-dump and mariadb, or mysqldump and mysql",
        "drivers/service/postgres/carrying.py": "pg_dump and pg_restore",
        "drivers/transport/local.py": "a program on this machine as a host",
        "testing/proxy.py": "an edge to test against",
    },
    "unchecked_certificate": {"testing/proxy.py": "an edge to test against, with a certificate of its own"},
    "weak_digest": {
        "drivers/service/mysql/accounts.py": "the one verifier that MySQL and MariaDB share, of 256 bits of chance",
        "model/edge.py": "the only digest by which Envoy can ask for a password, of 256 bits of chance or 16 characters and more",
    },
}


def broken(rule: str, source: str) -> list[int]:
    """Lines."""
    return sorted({getattr(node, "lineno", 0) for node in RULES[rule](ast.parse(source))})
