"""The small parts of a translation: YAML with its lines, quantities, command lines, interpolation, what looks like a secret."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.manifest.moving.health import path_asked
from mooring.manifest.moving.interpolation import interpolated
from mooring.manifest.moving.node import Node
from mooring.manifest.moving.plain_trees import json_tree, toml_tree
from mooring.manifest.moving.process_names import process_names
from mooring.manifest.moving.quantities import exec_line, on_given_port, shell_line, size, span
from mooring.manifest.moving.secrecy import is_secret
from mooring.manifest.moving.yaml_tree import read_yaml
from mooring.manifest.problems import Problems
from mooring.model.names import process_name

KEYS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6).filter(lambda key: key != "<<")
VALUES = st.recursive(
    st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=6), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=10,
)


def plain(node: Node) -> object:
    """The value as Python has it, numbers as text."""
    if node.table is not None:
        return {key: plain(each) for key, each in node.table.items()}
    return node.text if node.items is None else [plain(each) for each in node.items]


def texts(value: object) -> object:
    if isinstance(value, dict):
        return {key: texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [texts(each) for each in value]
    return value if value is None else str(value)


def yaml(text: str) -> Node:
    problems = Problems()
    node = read_yaml({"f": text.encode()}, "f", problems=problems)
    problems.raise_any()
    assert node is not None
    return node


@given(VALUES)
def test_what_json_holds_is_read_alike_as_yaml(value: object) -> None:
    assert plain(yaml(json.dumps(value, ensure_ascii=False))) == texts(value)


def test_aliases_and_merge_keys_are_taken_and_own_keys_go_first() -> None:
    node = yaml("base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nx:\n  <<: [*base, *more]\n  a: 9\ny: *base\n")
    assert plain(node) == {
        "base": {"a": "1", "b": "2"},
        "more": {"b": "3", "c": "4"},
        "x": {"a": "9", "b": "2", "c": "4"},
        "y": {"a": "1", "b": "2"},
    }
    lines = {each.said: each.line for each in node.leaves()}
    assert lines == {"base.a": 1, "base.b": 1, "more.b": 2, "more.c": 2, "x.a": 5, "x.b": 1, "x.c": 2, "y.a": 1, "y.b": 1}


def test_only_a_plain_null_is_nothing_and_no_text_is_taken_for_a_number_or_a_time() -> None:
    assert plain(yaml("a: ~\nb: '~'\nc:\nd: 22:22\ne: 0x1F\nf: yes\ng: 2001-01-01\n")) == {
        "a": None,
        "b": "~",
        "c": None,
        "d": "22:22",
        "e": "0x1F",
        "f": "yes",
        "g": "2001-01-01",
    }


def test_tables_of_a_toml_array_have_their_own_lines() -> None:
    text = b"a = 1\n[[s]]\np = 1\n[[s.q]]\nx = 1\n[[s.q]]\nx = 2\n[[s]]\n[[s.q]]\nx = 3\n[t.u]\nv = [{w = 1}]\n"
    node = toml_tree({"f": text}, "f", problems=Problems())
    assert node is not None
    assert {each.said: each.line for each in node.leaves()} == {
        "a": 1,
        "s[0].p": 3,
        "s[0].q[0].x": 5,
        "s[0].q[1].x": 7,
        "s[1].q[0].x": 10,
        "t.u.v[0].w": 12,
    }


def test_json_has_the_line_of_the_nearest_key() -> None:
    node = json_tree({"f": b'{\n"a": {\n"b": 1},\n"c": [\n{"d": true}]}'}, "f", problems=Problems())
    assert node is not None
    assert {each.said: (each.line, each.text) for each in node.leaves()} == {"a.b": (3, "1"), "c[0].d": (4, "true")}


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("30s", "30s"),
        ("1h30m", "1h30m"),
        ("90", "1m30s"),
        ("1.5s", "1.5s"),
        ("500ms", "500ms"),
        ("100us", "0s"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_a_duration_is_written_as_mooring_reads_it(text: str, made: str) -> None:
    assert span(text) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [("512m", "512MiB"), ("1g", "1GiB"), ("1gb", "1GiB"), ("64K", "64kiB"), ("2GiB", "2GiB"), ("1048576", "1048576"), ("lots", "lots")],
)
def test_a_size_is_in_powers_of_1024_as_docker_means_it(text: str, made: str) -> None:
    assert size(text) == made


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("gunicorn -b :8000 app", "gunicorn -b :$PORT app"),
        ("gunicorn --bind=0.0.0.0:8000 app", "gunicorn --bind=0.0.0.0:$PORT app"),
        ("serve --port 8000 --workers 8000", "serve --port $PORT --workers 8000"),
        ("serve '0.0.0.0:8000'", 'serve "0.0.0.0:$PORT"'),
        ("sh -c 'serve -p 8000'", "sh -c 'serve -p $PORT'"),
        ("serve :80001 :18000 8000", "serve :80001 :18000 8000"),
        ("PORT=8000 serve", "PORT=$PORT serve"),
    ],
)
def test_the_old_port_becomes_the_given_one_only_where_it_is_listened_on(command: str, made: str) -> None:
    assert on_given_port(command, "8000") == made


def test_words_become_a_line_that_a_shell_takes_apart_into_the_same_words() -> None:
    assert shell_line(["sh", "-c", "a && b", "it's"]) == "sh -c 'a && b' 'it'\"'\"'s'"
    assert shell_line(["run", "--on=${HOST}:1", 'say "$X" `y`']) == 'run --on=${HOST}:1 "say \\"$X\\" \\`y\\`"'
    assert exec_line("a && b; c") == "a '&&' 'b;' c"
    assert exec_line("a 'b") is None


@pytest.mark.parametrize(
    ("text", "made", "unset", "taken"),
    [
        ("plain", "plain", (), ()),
        ("$$HOME", "$HOME", (), ()),
        ("${A:-x}-${B-y}", "x-y", (), ("A", "B")),
        ("${A:-${B:-z}}", "z", (), ("A",)),
        ("$A/b", None, ("A",), ()),
        ("${A:?is needed}", None, ("A",), ()),
        ("a${A:+b}", "a", (), ("A",)),
        ("${A", None, (), ()),
        ("5$", None, (), ()),
        ("${A:-${B}}", None, ("A",), ()),
    ],
)
def test_variables_of_compose_have_their_defaults_or_are_named(
    text: str, made: str | None, unset: tuple[str, ...], taken: tuple[str, ...]
) -> None:
    found = interpolated(text)
    assert (found.text, found.unset, found.taken) == (made, unset, taken)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "x"),
        ("DB_PASSWORD", ""),
        ("MYSQL_ROOT_PASSWORD", "x"),
        ("RAILS_MASTER_KEY", "x"),
        ("github_token", "x"),
        ("A", "postgres://u:p@db/x"),
        ("A", "redis://:p@redis:6379"),
        ("A", "-----BEGIN RSA PRIVATE KEY-----"),
        ("A", "0123456789abcdef0123456789abcdef"),
        ("A", "ghp_abcdefghijklmnop"),
        ("A", "https://x/?api=1&token=abc"),
    ],
)
def test_what_looks_like_a_secret_is_one(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "info"),
        ("DATABASE_HOST", "db"),
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("URL", "https://shop.example.com/path"),
        ("BROKER", "redis://redis:6379/0"),
        ("KEYBOARD", "qwerty"),
        ("VERSION", "2.7.13"),
        ("DJANGO_SETTINGS_MODULE", "shop.settings.production"),
    ],
)
def test_a_plain_variable_is_none(name: str, value: str) -> None:
    assert not is_secret(name, value)


@given(st.lists(st.text(max_size=40), max_size=8, unique=True), st.booleans())
def test_names_of_process_types_are_allowed_and_no_two_alike(theirs: list[str], has_main: bool) -> None:
    ours = process_names(theirs, main=theirs[0] if theirs and has_main else None)
    assert set(ours) == set(theirs)
    assert len(set(ours.values())) == len(theirs)
    assert all(process_name(name) != "release" for name in ours.values())


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("curl -f http://localhost:8000/healthz", "/healthz"),
        ("wget -q --spider localhost || exit 1", "/"),
        ("curl http://127.0.0.1:$PORT/up?deep=1", "/up?deep=1"),
        ("curl -s localhost:3000/health | grep -q OK", None),
        ("pg_isready -h localhost", None),
        ("curl http://db:5432/", None),
    ],
)
def test_a_check_that_only_fetches_a_page_of_the_app_asks_for_that_page(command: str, path: str | None) -> None:
    assert path_asked(command) == path
