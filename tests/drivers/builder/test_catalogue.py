"""Which builder takes which tree, and the reason it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mooring.drivers.builder.catalogue import Catalogue
from mooring.drivers.builder.contract import Builder
from mooring.errors import BuildFailed, NotFound
from mooring.model.build import BuildSettings

Write = Callable[..., Path]


@pytest.fixture
def catalogue(builders: dict[str, Builder]) -> Catalogue:
    return Catalogue(list(builders.values()))


@pytest.mark.parametrize(
    ("files", "builder", "reason"),
    [
        (["requirements.txt"], "python", "requirements.txt is present"),
        (["requirements.txt", "Procfile", "index.html"], "python", "requirements.txt is present"),
        (["package.json", "Procfile"], "node", "package.json is present"),
        (["index.html"], "static", "index.html is present"),
        (["public/index.html", "mooring.toml"], "static", "public/index.html is present"),
        (["index.html", "Procfile"], "procfile", "Procfile is present, and nothing to install"),
        (["Procfile"], "procfile", "Procfile is present, and nothing to install"),
        (["Dockerfile", "Procfile"], "dockerfile", "Dockerfile is present"),
        (["requirements.txt", "Dockerfile"], "python", "requirements.txt is present"),
        (["index.html", "Dockerfile"], "static", "index.html is present"),
        (["mooring.toml"], "procfile", "mooring.toml is present, and nothing to install"),
    ],
)
def test_a_builder_is_chosen_for_a_reason(files: list[str], builder: str, reason: str, catalogue: Catalogue, write_tree: Write) -> None:
    choice = catalogue.choose(write_tree(dict.fromkeys(files, "")), BuildSettings())
    assert (choice.builder.name, choice.reason) == (builder, reason)


def test_assets_beside_a_python_app_are_noted_and_python_wins(catalogue: Catalogue, write_tree: Write) -> None:
    choice = catalogue.choose(write_tree({"requirements.txt": "", "package.json": "{}"}), BuildSettings())
    assert choice.builder.name == "python"
    assert choice.note == "package.json is present too; set build.builder to node if that is what is meant"


def test_the_manifest_goes_over_what_is_detected(catalogue: Catalogue, write_tree: Write) -> None:
    choice = catalogue.choose(write_tree({"requirements.txt": ""}), BuildSettings(builder="procfile"))
    assert (choice.builder.name, choice.reason, choice.note) == ("procfile", "the manifest names it", "")


def test_an_image_that_the_manifest_names_goes_before_all(catalogue: Catalogue, write_tree: Write) -> None:
    choice = catalogue.choose(write_tree({"requirements.txt": "", "Dockerfile": ""}), BuildSettings(image=f"sha256:{'0' * 64}"))
    assert (choice.builder.name, choice.reason) == ("image", "build.image names one")


def test_a_static_directory_that_is_set_makes_a_static_site(catalogue: Catalogue, write_tree: Write) -> None:
    choice = catalogue.choose(write_tree({"Procfile": "", "www/a.txt": ""}), BuildSettings(static_directory="www"))
    assert (choice.builder.name, choice.reason) == ("static", "static_directory is www")


def test_a_tree_that_nobody_knows_is_told_what_would_be_known(catalogue: Catalogue, write_tree: Write) -> None:
    with pytest.raises(BuildFailed, match="no builder knows what this is") as failure:
        catalogue.choose(write_tree({"main.go": ""}), BuildSettings())
    assert "add a Procfile" in failure.value.hint


def test_a_builder_that_does_not_exist_is_told_with_those_that_do(catalogue: Catalogue, write_tree: Write) -> None:
    with pytest.raises(NotFound) as failure:
        catalogue.choose(write_tree({"main.go": ""}), BuildSettings(builder="go"))
    assert failure.value.hint == "the builders are image, python, node, static, dockerfile, procfile"
