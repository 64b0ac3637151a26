"""What holds for every file, read from its syntax tree: no shell, no chance, no ring, nothing that nobody would find again."""

from __future__ import annotations

import ast
import itertools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mooring
from mooring import errors
from mooring.drivers.runtime.process.shell import argv

SOURCE = Path(mooring.__file__).parent
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py" or path.stat().st_size)
FORBIDDEN_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
PUTS_EXEC_BEFORE_AN_APPS_OWN_LINE = "drivers/runtime/process/shell.py"
CHANCE = {"random"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}


def name_of(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_says_what_it_is_for_and_stays_of_one_idea(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 400, "longer than 400 lines: split it by idea"
    assert path.stem not in FORBIDDEN_NAMES, "a name that says nothing"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_command_goes_through_a_shell_string(path: Path) -> None:
    for call in calls(ast.parse(path.read_text())):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        assert name not in SHELLS, f"line {call.lineno}: {name}"
        shell = [word for word in call.keywords if word.arg == "shell"]
        assert all(isinstance(word.value, ast.Constant) and word.value.value is False for word in shell), f"line {call.lineno}: shell="


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_command_line_is_formatted_for_a_shell(path: Path) -> None:
    """`["sh", "-c", X]` is for an app's own line: X is a name or an attribute, never text put together here."""
    if name_of(path) == PUTS_EXEC_BEFORE_AN_APPS_OWN_LINE:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, (ast.List, ast.Tuple)):
            continue
        words = [element.value if isinstance(element, ast.Constant) else element for element in node.elts]
        for before, after in itertools.pairwise(words):
            if before == "-c" and words[0] in ("sh", "/bin/sh", "bash", "/bin/bash"):
                assert isinstance(after, (ast.Name, ast.Attribute, str)), f"line {node.lineno}: a shell line is put together"


@pytest.mark.parametrize("line", ["gunicorn app:app --bind 0.0.0.0:$PORT", "a && b", "A=1 b", "echo `id`", "cd x; y", "sh -c 'x'", ""])
def test_an_apps_own_line_reaches_its_shell_as_it_is_or_with_exec_before_it(line: str) -> None:
    shell, option, said = argv(line)
    assert (shell, option) == ("/bin/sh", "-c")
    assert said in (line, f"exec {line}")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_draws_lots(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & CHANCE, f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom):
            assert node.module not in CHANCE, f"line {node.lineno}"


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
