"""Whatever stands in the files, reading ends in a manifest or in problems for people, never in another error, and soon."""

from __future__ import annotations

import json
import re
import time

import pytest
from core.manifest.outcomes import SHOP, outcome
from hypothesis import example, given
from hypothesis import strategies as st

from mooring.errors import ManifestInvalid
from mooring.manifest import Detected, Manifest, app_name_of, read, root_of, starter
from mooring.manifest.files.text import LARGEST
from mooring.manifest.keys.table import KEYS

ANY_TEXT = st.text(max_size=80)
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
APP_JSON = st.fixed_dictionaries(
    {},
    optional={part: ANY_JSON | st.dictionaries(st.just("web"), ANY_JSON) for part in ("env", "formation", "scripts", "healthchecks", "x")},
)
KEY_LINES = st.builds(
    lambda key, value: f"{key} = {json.dumps(value)}",
    st.sampled_from([path.replace("NAME", "web").replace("VARIABLE", "X").replace("CHECK", "startup") for path in KEYS]),
    st.one_of(st.booleans(), st.integers(), st.text(max_size=20), st.lists(st.text(max_size=8), max_size=2)),
)
ANY_TOML = st.lists(st.one_of(KEY_LINES, st.text(max_size=20)), max_size=5, unique=True).map("\n".join)


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=20))
@example(b"\xef\xbb\xbf\xff", b"\xef\xbb\xbf\xff", b"\xff\xfe", b"\xfe\xff")
@example(b"[env]\nA = '\x7f'", b"web: \x00", b'{"env": {"A": "\\u0000"}}', b"\x00")
def test_any_bytes_in_any_file_are_read_or_explained(toml: bytes, procfile: bytes, app_json: bytes, version: bytes) -> None:
    outcome({"mooring.toml": toml, "Procfile": procfile, "app.json": app_json, ".python-version": version})


@given(ANY_TOML)
def test_any_values_of_known_keys_are_read_or_explained(toml: str) -> None:
    outcome({"mooring.toml": toml.encode(errors="replace"), "Procfile": b"web: x\n"})


@given(ANY_TEXT)
def test_any_text_as_a_procfile_is_read_or_explained(procfile: str) -> None:
    outcome({"Procfile": procfile.encode(errors="replace")})


@given(
    st.text(alphabet=st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: text.strip(" \t")
    )
)
def test_a_command_arrives_as_it_stands_in_the_procfile(command: str) -> None:
    manifest = read({"Procfile": f"web: {command}\n".encode()}, environment=SHOP)
    assert manifest.processes[0].command == command.strip(" \t")


@given(APP_JSON)
def test_any_app_json_is_read_or_explained(values: dict[str, object]) -> None:
    outcome({"app.json": json.dumps(values, indent=1).encode(), "Procfile": b"web: x\n"})


@given(st.text())
def test_a_variable_is_refused_or_arrives_as_it_was_written(value: str) -> None:
    files = {"app.json": json.dumps({"env": {"A": value}}).encode(), "Procfile": b"web: x\n"}
    result = outcome(files)
    if isinstance(result, Manifest):
        assert result.env == {"A": value}
    else:
        assert "\0" in value or any("\ud800" <= mark <= "\udfff" for mark in value)


@pytest.mark.parametrize(
    "content",
    {
        "arrays": b"x = " + b"[" * (LARGEST - 10),
        "inline-tables": b"x = " + b"{a=" * 300_000,
        "dotted-key": b"a." * 400_000 + b"a = 1",
        "deep-header": b"[" + b"a." * 400_000 + b"a]",
        "unknown-keys": b"".join(b"k%d = 1\n" % number for number in range(80_000)),
        "long-key": b"k" * 900_000 + b" = 1",
        "long-string": b'release = "' + b"x" * 900_000 + b'"',
        "open-string": b'release = """' + b'"" ' * 300_000,
        "tables": b"".join(b"[t%d]\n" % number for number in range(80_000)),
        "arrays-of-tables": b"[[t]]\n" * 150_000 + b"x",
        "doubles": b"a = 1\n" * 150_000,
        "variables": b"[env]\n" + b"".join(b'A%d = "x"\n' % number for number in range(50_000)),
        "process-types": b"".join(b"[processes.p%d]\ncommand = 'x'\n" % number for number in range(20_000)),
        "environments": b"".join(b"[environments.e%d.env]\nA = 'x'\n" % number for number in range(20_000)),
        "number": b"[processes.web]\ncount = " + b"9" * 900_000,
        "hexadecimal": b"[processes.web]\ncount = 0x" + b"f" * 900_000,
        "comments": b"#\n" * 450_000,
        "backslashes": b'"' + b"\\\\" * 400_000 + b'" = 1',
    }.items(),
    ids=lambda part: part[0],
)
def test_a_file_made_to_exhaust_the_reader_is_answered_soon_and_shortly(content: tuple[str, bytes]) -> None:
    started = time.process_time()
    result = outcome({"mooring.toml": content[1], "Procfile": b"web: x\n"})
    assert time.process_time() - started < 20
    assert isinstance(result, Manifest) or len(str(result)) < 60_000


@pytest.mark.parametrize(
    "content", [b"[" * LARGEST, b'{"a":' * 190_000, b'{"a' + b"a" * 900_000, b'{"env":{' + b'"A":"1",' * 100_000 + b'"B":"1"}}']
)
def test_an_app_json_made_to_exhaust_the_reader_is_answered_soon(content: bytes) -> None:
    started = time.process_time()
    outcome({"app.json": content, "Procfile": b"web: x\n"})
    assert time.process_time() - started < 20


def test_a_procfile_of_many_wrong_lines_is_answered_with_the_first_hundred_problems() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read({"Procfile": b"wrong\n" * 100_000}, environment=SHOP)
    assert 100 <= len(caught.value.problems) <= 101


@pytest.mark.parametrize("name", ["mooring.toml", "Procfile", "app.json", ".python-version"])
def test_a_file_too_large_to_be_meant_is_refused_unread(name: str) -> None:
    with pytest.raises(ManifestInvalid, match=rf"{name}: the file has 1,000,001 bytes; at most 1,000,000 are read"):
        read({"Procfile": b"web: x\n", name: b"#" * (LARGEST + 1)}, environment=SHOP)


@given(st.binary(max_size=60))
@example(b'app = "shop"')
@example(b"app = 3")
def test_the_apps_name_is_found_or_absent_or_a_problem(toml: bytes) -> None:
    try:
        name = app_name_of({"mooring.toml": toml})
    except ManifestInvalid as error:
        assert error.problems
    else:
        assert name is None or (name and name.encode() in toml)


def test_the_apps_name_is_found_beside_other_problems_and_asked_for_when_it_is_the_problem() -> None:
    assert app_name_of({"mooring.toml": b'app = "shop"\nunknown = 1\n', "Procfile": b"nonsense"}) == "shop"
    assert app_name_of({}) is None
    with pytest.raises(ManifestInvalid, match="an app name has"):
        app_name_of({"mooring.toml": b'app = "A B"'})


def test_the_root_folder_is_found_beside_any_problem_and_is_empty_where_none_is_named() -> None:
    assert (
        root_of({"mooring.toml": b'unknown = 1\n[build]\nroot = "services/shop/"\n', "Procfile": b"?"}, environment=SHOP) == "services/shop"
    )
    assert root_of({"mooring.toml": b'[build]\nroot = "../.."\n'}, environment=SHOP) == ""
    assert root_of({"mooring.toml": b"\xff"}, environment=SHOP) == ""


COMMANDS = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(
    st.builds(
        Detected,
        app=st.just("shop"),
        builder=st.sampled_from(["", "python", "static"]),
        reason=st.text(max_size=40),
        commands=st.dictionaries(st.sampled_from(["web", "worker", "clock"]), COMMANDS, max_size=3),
        are_in_procfile=st.booleans(),
        release_command=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
    )
)
def test_the_starting_file_reads_without_a_problem_as_it_is_and_with_every_example_taken(detected: Detected) -> None:
    text = starter(detected)
    plain = read({"mooring.toml": text.encode()}, environment=SHOP, offered={"web": "x"})
    assert plain.app == "shop"
    assert {origin for origin in plain.origins.values() if origin.startswith("mooring.toml")} == {plain.origins["app"]}
    taken = re.sub(r"^# (\[|[a-z_]+ = )", r"\1", text, flags=re.MULTILINE)
    manifest = read({"mooring.toml": taken.encode()}, environment=SHOP, offered=dict(detected.commands))
    assert {process.name: process.command for process in manifest.processes} == detected.commands or not detected.commands
