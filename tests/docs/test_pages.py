"""The pages against the code: links lead somewhere, commands and keys they name exist, no figure stands without its source."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mooring import errors
from mooring.cli.catalogue import SECTIONS
from mooring.manifest import explain

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")])
COMMANDS = {command.path for section in SECTIONS for command in section.commands}
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`(tests/[\w/.-]+\.py)(?:::(test_\w+))?`")
TYPED = re.compile(r"(?:^|`|\| |&& |\$ )mooring ((?:[a-z][a-z-]* ?){1,2})", re.MULTILINE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = [target for target in LINK.findall(page.read_text()) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_a_page_names_exists(page: Path) -> None:
    named = TEST.findall(page.read_text())
    assert [path for path, _ in named if not (ROOT / path).exists()] == []
    assert [name for path, name in named if name and f"def {name}(" not in (ROOT / path).read_text()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_a_page_names_exists(page: Path) -> None:
    for words in TYPED.findall(page.read_text()):
        parts = words.split()
        assert parts[0] in COMMANDS or " ".join(parts[:2]) in COMMANDS, f"mooring {words}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_key_a_page_asks_to_explain_exists(page: Path) -> None:
    for key in re.findall(r"mooring explain ([a-zA-Z_.]+)", page.read_text()):
        if key != "KEY":
            assert explain(key)


def test_every_decision_has_a_number_of_its_own_and_a_decision() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    assert len({page.name[:4] for page in pages}) == len(pages)
    assert all("**Decided:**" in page.read_text() or page.name.startswith("0002") for page in pages)


def test_every_error_code_stands_in_its_reference_with_its_exit_code_and_status() -> None:
    text = (ROOT / "docs" / "reference" / "errors.md").read_text()
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.MooringError)]
    rows = [f"| `{each.code}` | {each.exit_code} | {each.status} |" for each in classes if each is not errors.MooringError]
    assert [row for row in rows if row not in text] == []


def test_the_scripts_are_short_and_executable() -> None:
    for script in (ROOT / "bin").iterdir():
        assert script.stat().st_mode & 0o100, script.name
        assert len(script.read_text().splitlines()) <= 40, script.name


def test_no_page_or_commit_names_a_package_index_or_a_path_of_somebodys_machine() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    marks = re.compile(r"/home/[a-z]+/|/root/|/Users/|files\.pythonhosted|registry\.npmjs")
    texts = {name: (ROOT / name).read_text(errors="replace") for name in tracked if (ROOT / name).is_file()}
    named = [name for name, text in texts.items() if marks.search(text) and not name.startswith("tests/")]
    assert named == []
