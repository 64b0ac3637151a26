"""The table of keys against everything that is made from it: examples, defaults, explanations, the page, the schema."""

from __future__ import annotations

import tomllib

import pytest
from core.manifest.cases import FOLDER, NAMES, inputs
from core.manifest.pages import REFERENCE, pages
from jsonschema import Draft7Validator

from mooring.errors import NotFound
from mooring.manifest import explain, json_schema, read, reference_page
from mooring.manifest.keys.key import Key
from mooring.manifest.keys.table import KEYS, SECTIONS, pattern_of
from mooring.model.build import BuildSettings
from mooring.model.edge import EdgeSettings
from mooring.model.environment import EnvironmentId
from mooring.model.policy import Policy

SHOP = EnvironmentId.parse("shop")
PROCFILE = b"web: x\nworker: y\nclock: z\napi: a\n"
SCHEMA = Draft7Validator(json_schema())


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_the_example_of_a_key_says_that_key_and_reads_without_a_problem(key: Key) -> None:
    manifest = read({"mooring.toml": key.example.encode(), "Procfile": PROCFILE}, environment=SHOP)
    said = {pattern_of(name) for name, origin in manifest.origins.items() if origin.startswith("mooring.toml:")}
    assert key.path in said


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_key_stands_on_the_page_and_is_explained(key: Key) -> None:
    assert f"### `{key.path}`\n" in reference_page()
    assert key.example in reference_page()
    assert explain(key.path).startswith(f"{key.path} — {key.summary}")


@pytest.mark.parametrize("key", [key for key in KEYS.values() if key.default is not None], ids=lambda key: key.path)
def test_a_default_as_it_is_printed_reads_back_as_the_default(key: Key) -> None:
    printed = tomllib.loads(f"value = {key.said_default}")["value"] if not key.default_text else key.default
    assert key.kind.read(printed) == key.default


def test_without_any_file_but_a_procfile_everything_is_as_the_model_has_it() -> None:
    manifest = read({"Procfile": b"web: x\n"}, environment=SHOP)
    assert (manifest.policy, manifest.edge, manifest.build) == (Policy(), EdgeSettings(), BuildSettings())
    assert set(Policy.__struct_fields__) == {name.removeprefix("deploy.") for name in KEYS if name.startswith("deploy.")}


READABLE = [name for name in NAMES if "mooring.toml" in inputs(name) and (FOLDER / name / "expected.json").exists()]


@pytest.mark.parametrize("name", READABLE)
def test_the_schema_accepts_what_the_program_accepts(name: str) -> None:
    SCHEMA.validate(tomllib.loads(inputs(name)["mooring.toml"].decode("utf-8-sig")))


@pytest.mark.parametrize(
    "toml",
    [
        "proceses = 1",
        "app = 3",
        'app = "My Shop"',
        'hostnames = "shop.example.com"',
        'hostnames = ["http://shop.example.com"]',
        "[processes.web]\ncount = -1",
        '[processes.web]\ncomand = "x"',
        '[processes."we b"]\ncommand = "x"',
        '[processes.web]\nstop_signal = "KILL"',
        '[processes.web.health]\npath = "up"',
        '[processes.web.health.readyness]\npath = "/up"',
        '[deploy]\nbake = "3 secs"',
        "[deploy]\nbake_error_rate = 2",
        "[env]\nWORKERS = 3",
        '[environments.staging]\napp = "x"',
        '[environments.staging.deploy]\nbakee = "3s"',
        '[environments."Not One"]\nrelease = "x"',
    ],
)
def test_the_schema_refuses_what_the_program_refuses(toml: str) -> None:
    assert not SCHEMA.is_valid(tomllib.loads(toml))


def test_the_schema_is_a_valid_schema() -> None:
    Draft7Validator.check_schema(json_schema())


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_published_file_is_what_the_table_makes(path: object) -> None:
    message = "write it anew: .venv/bin/python tests/core/manifest/pages.py"
    assert (REFERENCE / str(path)).read_text() == pages()[REFERENCE / str(path)], message


def test_a_key_is_explained_by_its_written_name_and_by_its_place_in_an_environment() -> None:
    assert explain("processes.web.memory") == explain("processes.NAME.memory") == explain("environments.staging.processes.web.memory")


def test_a_table_is_explained_by_all_its_keys() -> None:
    for section in SECTIONS:
        if section.path:
            assert all(key.path in explain(section.path) for key in section.keys)
    assert all(path in explain() for path in KEYS)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("bake", "deploy.bake"),
        ("deploy.drain", "deploy.drain_timeout"),
        ("memory", "build.memory` or `processes.NAME.memory"),
        ("proces.web.count", "processes.NAME.count"),
        ("qqqq", "mooring explain"),
        ("x" * 100_000, "mooring explain"),
    ],
)
def test_an_unknown_key_is_answered_with_the_one_that_was_meant(asked: str, meant: str) -> None:
    with pytest.raises(NotFound) as caught:
        explain(asked)
    assert meant in caught.value.hint
    assert len(caught.value.message) < 200
