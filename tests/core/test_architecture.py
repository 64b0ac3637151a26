"""What holds for every file, read from its syntax tree: no shell, no chance, no ring, nothing that nobody would find again."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from core.rules import ALLOWED, RULES, broken

import mooring
from mooring import errors
from mooring.drivers.runtime.shell import argv

SOURCE = Path(mooring.__file__).parent
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py" or path.stat().st_size)
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
PLANTED = {
    "shell_string": [
        "os.system(line)",
        "os.popen(line)",
        "subprocess.run(line, shell=True)",
        "subprocess.run(line, shell=wanted)",
        "subprocess.getoutput('git log')",
        "await asyncio.create_subprocess_shell(line)",
        "await loop.create_subprocess_shell(line)",
    ],
    "formatted_shell_line": [
        "argv = ['sh', '-c', f'exec {line}']",
        "argv = ('/bin/sh', '-c', 'cd ' + folder)",
        "argv = ['/usr/bin/bash', '-l', '-c', 'cd %s' % folder]",
        "argv = ['sh', '-c', 'cd {}'.format(folder)]",
    ],
    "process_start": [
        "subprocess.run(argv)",
        "subprocess.Popen(argv)",
        "os.execvp(argv[0], argv)",
        "os.spawnl(mode, path)",
        "os.posix_spawn(path, argv, {})",
        "child = os.fork()",
        "from subprocess import check_output",
        "await asyncio.create_subprocess_exec(*argv)",
    ],
    "chance": ["import random", "from random import choice", "import os, random as lots"],
    "code_from_data": ["import pickle", "from yaml import load", "import marshal", "eval(text)", "exec(text)", "__import__(name)"],
    "foreign_unpacking": ["archive.extractall(place)", "shutil.unpack_archive(file, place)", "tar.extract(member, place)"],
    "guessable_place": ["tempfile.mktemp()", "os.tempnam()"],
    "unchecked_certificate": [
        "httpx.get(url, verify=False)",
        "context.verify_mode = ssl.CERT_NONE",
        "ssl._create_unverified_context()",
        "context = make(check_hostname=False)",
    ],
    "weak_digest": ["hashlib.md5(content)", "hashlib.sha1(content)", "hashlib.new('MD5', content)", "from hashlib import sha1"],
    "compared_in_variable_time": [
        "ok = given == token",
        "if token != self._token: pass",
        "ok = known.secret == given",
        "ok = given == secret.reveal()",
        "ok = signature.hexdigest() == given",
        "ok = headers['x'] == webhook_secret.encode()",
    ],
}
INNOCENT = [
    "argv = ['sh', '-c', line]",
    "argv = ('/bin/sh', '-c', process.command)",
    "subprocess_options = dict(shell=False)",
    "asyncio.run(main())",
    "self.run(argv)",
    "import secrets",
    "pattern.exec(text)",
    "tempfile.mkdtemp()",
    "httpx.get(url, verify=context)",
    "hashlib.sha256(content)",
    "hashlib.new('sha512', content)",
    "hmac.compare_digest(token, given)",
    "if token is None: pass",
    "if kind == _SECRET: pass",
    "if len(token) == 3: pass",
    "if token_name == name: pass",
]


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_says_what_it_is_for_and_stays_of_one_idea(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 400, "longer than 400 lines: split it by idea"
    assert path.stem not in FORBIDDEN_NAMES, "a name that says nothing"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_breaks_a_rule_of_the_house(path: Path) -> None:
    text = path.read_text()
    found = {rule: lines for rule in RULES if (lines := broken(rule, text)) and name_of(path) not in ALLOWED.get(rule, {})}
    assert found == {}


def test_an_exception_from_a_rule_ends_with_its_reason() -> None:
    unused = [(rule, name) for rule, names in ALLOWED.items() for name in names if not broken(rule, (SOURCE / name).read_text())]
    assert unused == []


@pytest.mark.parametrize(("rule", "planted"), [(rule, line) for rule, lines in PLANTED.items() for line in lines])
def test_a_rule_finds_what_was_planted(rule: str, planted: str) -> None:
    assert broken(rule, planted), "not found"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_nothing_in_what_is_allowed(rule: str) -> None:
    assert rule in PLANTED
    assert [line for line in INNOCENT if broken(rule, line)] == []


@pytest.mark.parametrize("line", ["gunicorn app:app --bind 0.0.0.0:$PORT", "a && b", "A=1 b", "echo `id`", "cd x; y", "sh -c 'x'", ""])
def test_an_apps_own_line_reaches_its_shell_as_it_is_or_with_exec_before_it(line: str) -> None:
    shell, option, said = argv(line)
    assert (shell, option) == ("/bin/sh", "-c")
    assert said in (line, f"exec {line}")


def test_every_error_has_its_place_in_the_tree_and_a_code_of_its_own() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.MooringError)]
    tree = errors.__doc__ or ""
    assert all(each.__name__ in tree for each in classes)
    codes = [each.code for each in classes]
    assert len(codes) == len(set(codes))


def test_every_exit_code_is_one_of_the_documented_ones() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.MooringError)]
    assert {each.exit_code for each in classes} <= {1, 2, 3, 4}


def test_the_command_line_starts_without_the_server_and_the_store() -> None:
    script = (
        "import sys, mooring.cli.main; print([name for name in sys.modules if name.split('.')[0] in ('fastapi', 'sqlalchemy', 'uvicorn')])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
