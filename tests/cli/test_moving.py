"""`mooring init --from`: whose file it is, what is written, what is said, and what is never overwritten."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from console import mooring
from fake_platform import FakePlatform

COMPOSE = """\
name: shop
services:
  web:
    build: .
    command: gunicorn shop:app --bind :8000
    ports: ["8000"]
    environment:
      SECRET_KEY: hunter2-hunter2
  db:
    image: postgres:17
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "compose.yaml").write_text(COMPOSE)
    return made


@pytest.mark.parametrize("asked", ["compose", "compose.yaml"])
def test_a_file_is_translated_and_each_of_its_keys_accounted_for(asked: str, directory: Path, platform: FakePlatform) -> None:
    answer = mooring("init", "--from", asked, platform=platform, directory=directory)
    assert (answer.code, answer.err) == (0, "")
    written = (directory / "mooring.toml").read_text()
    assert tomllib.loads(written) == {"app": "shop", "processes": {"web": {"command": "gunicorn shop:app --bind :$PORT"}}}
    assert "5     services.web.command  partly  processes.web.command" in answer.out
    assert "\n  compose.yaml:9 services.db\n" in answer.out
    assert "before the first deployment:\n  mooring secret set SECRET_KEY\n" in answer.out
    assert answer.out.endswith(f"{directory}/mooring.toml is written.\n")
    assert "hunter2" not in written + answer.out


def test_a_program_is_told_the_same(directory: Path, platform: FakePlatform) -> None:
    told = mooring("init", "--from", "compose", "--json", platform=platform, directory=directory).document
    assert told["commands"] == ["mooring secret set SECRET_KEY"]
    assert told["translation"]["dialect"] == "compose"
    rows = {row["source"]: row for row in told["translation"]["rows"]}
    assert rows["name"] == {
        "source": "name",
        "line": 1,
        "outcome": "mapped",
        "settings": ['app = "shop"'],
        "why": "",
        "instead": "",
        "commands": [],
    }
    assert rows["services.db"]["outcome"] == "not mapped"
    assert told["translation"]["toml"] == (directory / "mooring.toml").read_text()


def test_a_manifest_that_exists_is_left_alone_unless_it_is_forced(directory: Path, platform: FakePlatform) -> None:
    file = directory / "mooring.toml"
    file.write_text("# mine\n")
    for words in (("init",), ("init", "--from", "compose")):
        refused = mooring(*words, platform=platform, directory=directory)
        assert refused.code == 2
        assert "exists already" in refused.err
        assert "--force" in refused.err
        assert file.read_text() == "# mine\n"
    assert mooring("init", "--from", "compose", "--force", platform=platform, directory=directory).code == 0
    assert 'app = "shop"' in file.read_text()
    assert mooring("init", "--force", platform=platform, directory=directory).code == 0
    assert "# Found by itself" in file.read_text() or "No builder fits" in file.read_text()
    assert sorted(path.name for path in directory.iterdir()) == ["compose.yaml", "mooring.toml"]


def test_the_name_that_is_asked_for_goes_first_and_without_any_it_is_the_directorys(directory: Path, platform: FakePlatform) -> None:
    asked = mooring("init", "--from", "compose", "-a", "other", platform=platform, directory=directory)
    assert tomllib.loads((directory / "mooring.toml").read_text())["app"] == "other"
    assert "the app is called other here, as was asked" in asked.out
    (directory / "compose.yaml").write_text(COMPOSE.replace("name: shop\n", ""))
    mooring("init", "--from", "compose", "--force", platform=platform, directory=directory)
    assert tomllib.loads((directory / "mooring.toml").read_text())["app"] == "other"
    (directory / "mooring.toml").unlink()
    mooring("init", "--from", "compose", platform=platform, directory=directory)
    assert tomllib.loads((directory / "mooring.toml").read_text())["app"] == "folder"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("kamal", "there is no file of kamal here: config/deploy.yml"),
        ("nothing.yml", "there is no file nothing.yml"),
        (".", "cannot be read: Is a directory"),
        ("broken.yaml", "broken.yaml:2"),
        ("mooring.toml", "mooring.toml is Mooring's own file already"),
        ("notes.json", "nothing in 'notes.json' tells whose file it is"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_its_place_and_nothing_is_written(
    asked: str, said: str, directory: Path, platform: FakePlatform
) -> None:
    (directory / "broken.yaml").write_text("services:\n\tweb: {}\n")
    (directory / "notes.json").write_text('{"colour": "blue"}')
    (directory / "mooring.toml").write_text("# mine\n")
    answer = mooring("init", "--from", asked, "--force", platform=platform, directory=directory)
    assert answer.code == 2
    assert said in answer.err
    assert (directory / "mooring.toml").read_text() == "# mine\n"


def test_a_name_that_no_app_can_have_is_refused_before_anything_is_written(directory: Path, platform: FakePlatform) -> None:
    answer = mooring("init", "--from", "compose", "-a", "Bad App", platform=platform, directory=directory)
    assert answer.code == 2
    assert "the app name 'Bad App' is not allowed" in answer.err
    assert not (directory / "mooring.toml").exists()


def test_a_files_odd_name_steers_neither_the_terminal_nor_the_file(directory: Path, platform: FakePlatform) -> None:
    odd = "compose\n[env]\nX = 1\x1b[31m.yaml"
    (directory / odd).write_text(COMPOSE)
    answer = mooring("init", "--from", odd, platform=platform, directory=directory)
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert set(tomllib.loads((directory / "mooring.toml").read_text())) == {"app", "processes"}


def test_a_plain_init_names_the_files_that_could_be_translated(directory: Path, platform: FakePlatform) -> None:
    (directory / "Procfile").write_text("web: ./run\n")
    answer = mooring("init", platform=platform, directory=directory)
    assert answer.code == 0
    assert answer.err == "· compose.yaml is here too: `mooring init --from compose --force` translates it\n"


def test_a_file_elsewhere_is_translated_into_the_directory_where_one_stands(directory: Path, platform: FakePlatform) -> None:
    (directory / "deploy").mkdir()
    (directory / "deploy" / "fly.staging.toml").write_text('app = "shop-staging"\n')
    answer = mooring("init", "--from", "deploy/fly.staging.toml", platform=platform, directory=directory)
    assert answer.code == 0
    assert tomllib.loads((directory / "mooring.toml").read_text()) == {"app": "shop-staging"}
