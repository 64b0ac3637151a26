"""What the files of a Python project mean, without installing anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.builder.python.poetry import read_poetry
from mooring.drivers.builder.python.recipe import detect_recipe, read_recipe
from mooring.drivers.builder.python.requirements import read_requirements
from mooring.errors import BuildFailed

Write = Callable[..., Path]

HASH = "sha256:" + "ab" * 32


def locked(name: str, version: str, *more: str) -> str:
    lines = [f'name = "{name}"', f'version = "{version}"', f'files = [{{file = "f.whl", hash = "{HASH}"}}]', *more]
    return "[[package]]\n" + "\n".join(lines) + "\n"


def project(*dependencies: str) -> str:
    return "[tool.poetry.dependencies]\n" + "\n".join(dependencies) + "\n"


@pytest.mark.parametrize(
    ("files", "decides"),
    [
        (("uv.lock", "poetry.lock", "requirements.txt", "pyproject.toml"), "uv.lock"),
        (("poetry.lock", "requirements.txt", "pyproject.toml"), "poetry.lock"),
        (("requirements.txt", "pyproject.toml"), "requirements.txt"),
        (("uv.lock", "requirements.txt"), "requirements.txt"),
        (("pyproject.toml",), "pyproject.toml"),
        (("uv.lock",), ""),
        ((), ""),
    ],
)
def test_locks_go_before_wishes(files: tuple[str, ...], decides: str, write_tree: Write) -> None:
    assert detect_recipe(write_tree({**dict.fromkeys(files, "[project]\nname = 'x'\n"), "x": ""})) == decides


def test_a_pyproject_that_only_sets_up_tools_makes_no_python_app(write_tree: Write) -> None:
    assert detect_recipe(write_tree({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"})) == ""


def test_every_version_and_hash_of_a_poetry_lock_becomes_a_constraint(write_tree: Write) -> None:
    lock = locked("six", "1.17.0") + locked("zope.event", "5.0")
    plan = read_poetry(write_tree({"poetry.lock": lock, "pyproject.toml": project('python = "^3.11"', 'six = "^1"')}))
    assert plan.requirements == "six\n"
    assert plan.constraints == f"six==1.17.0 --hash={HASH}\nzope.event==5.0 --hash={HASH}\n"
    assert not plan.is_local


def test_extras_markers_and_python_versions_of_wishes_are_kept(write_tree: Write) -> None:
    wishes = (
        'a = {version = "1", extras = ["x", "y"]}',
        'b = {version = "1", markers = "sys_platform == \'linux\'"}',
        'c = {version = "1", python = "<3.8"}',
        'd = {version = "1", python = "^3.9"}',
        'e = {version = "1", optional = true}',
        'f = [{version = "1", python = "~3.9"}, {version = "2", python = ">=3.10,<4"}]',
        'g = {version = "1", platform = "darwin"}',
    )
    lock = "".join(locked(name, "1.0") for name in "abcdfg")
    plan = read_poetry(write_tree({"poetry.lock": lock, "pyproject.toml": project(*wishes)}))
    assert plan.requirements.splitlines() == [
        "a[x,y]",
        "b ; (sys_platform == 'linux')",
        "c ; python_version < '3.8'",
        "d ; python_version >= '3.9' and python_version < '4.0'",
        "f ; python_version >= '3.9' and python_version < '3.10'",
        "f ; python_version >= '3.10' and python_version < '4.0'",
        "g ; sys_platform == 'darwin'",
    ]


def test_a_package_locked_twice_is_told_apart_by_its_markers(write_tree: Write) -> None:
    lock = locked("a", "1.0", "markers = \"python_version < '3.12'\"") + locked("a", "2.0", "markers = \"python_version >= '3.12'\"")
    plan = read_poetry(write_tree({"poetry.lock": lock, "pyproject.toml": project('a = "*"')}))
    assert plan.constraints.splitlines() == [
        f"a==1.0 ; python_version < '3.12' --hash={HASH}",
        f"a==2.0 ; python_version >= '3.12' --hash={HASH}",
    ]


def test_git_and_other_sources_keep_where_they_come_from(write_tree: Write) -> None:
    git = '[package.source]\ntype = "git"\nurl = "https://example.test/a.git"\nresolved_reference = "abc123"'
    local = '[package.source]\ntype = "directory"\nurl = "lib"'
    plan = read_poetry(write_tree({"poetry.lock": locked("a", "1", git) + locked("b", "1", local), "pyproject.toml": project('a = "*"')}))
    assert plan.constraints.splitlines() == ["a @ git+https://example.test/a.git@abc123", "b @ ./lib"]
    assert plan.is_local


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        (locked("b", "1.0"), "poetry.lock does not hold six, which pyproject.toml asks for"),
        (locked("six", "1.0") + locked("six", "2.0"), "holds six more than once"),
        (locked("six", "1.0\\n-r /etc/passwd"), "names a package 'six' in version"),
        (locked("six", "1.0") + locked("--index-url=x", "1.0"), "names a package '--index-url=x'"),
    ],
)
def test_a_poetry_lock_that_cannot_be_followed_is_refused(lock: str, expected: str, write_tree: Write) -> None:
    with pytest.raises(BuildFailed, match=expected) as failure:
        read_poetry(write_tree({"poetry.lock": lock, "pyproject.toml": project('six = "*"')}))
    assert "poetry lock" in failure.value.hint


def test_included_requirement_files_decide_too(write_tree: Write) -> None:
    files = {
        "requirements.txt": "-r base/more.txt\n--constraint=limits.txt\nsix\n",
        "base/more.txt": "-c ../limits.txt\n# -r ignored.txt\nflask\n",
        "limits.txt": "six==1.17.0\n",
    }
    found = read_requirements(write_tree(files))
    assert [name for name, _ in found.files] == ["base/more.txt", "limits.txt", "requirements.txt"]
    assert not found.is_local


@pytest.mark.parametrize("line", ["-e .", "--editable ./lib", ".", "./lib", "lib/thing", "x @ file:///srv/x", "file:lib"])
def test_what_comes_from_the_tree_is_noticed(line: str, write_tree: Write) -> None:
    assert read_requirements(write_tree({"requirements.txt": f"{line}\n"})).is_local


@pytest.mark.parametrize(
    "line", ["six==1.17.0", "x @ git+https://example.test/x.git", "https://example.test/x.whl", "six>=1,<2 ; python_version<'4'"]
)
def test_what_comes_from_elsewhere_is_shared(line: str, write_tree: Write) -> None:
    assert not read_requirements(write_tree({"requirements.txt": f"{line}  # from a/b\n"})).is_local


def test_a_uv_workspace_is_not_shared_but_a_plain_project_is(write_tree: Write) -> None:
    plain = {"pyproject.toml": "[project]\nname='a'\n", "uv.lock": "[[package]]\nname='a'\nsource={virtual='.'}\n"}
    assert not read_recipe(write_tree(plain, name="plain")).is_local
    space = {**plain, "uv.lock": plain["uv.lock"] + "[[package]]\nname='b'\nsource={editable='packages/b'}\n"}
    assert read_recipe(write_tree(space, name="space")).is_local
