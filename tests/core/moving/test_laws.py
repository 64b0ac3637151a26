"""Whatever stands in a file of another tool: no key is lost, what is written is valid, no secret is shown, and it ends soon."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mooring.cli.render.moving import translation_lines
from mooring.cli.render.styled import joined
from mooring.errors import UsageError
from mooring.manifest import read
from mooring.manifest.moving import DIALECTS, Translation, translate
from mooring.manifest.moving.node import Node, said
from mooring.manifest.problems import Problems
from mooring.manifest.wording import quoted
from mooring.model.environment import EnvironmentId

PLACES = {name: dialect.places[0] for name, dialect in DIALECTS.items()}


def words(text: str) -> list[str]:
    return text.split()


_COMPOSE_SERVICE = words("""
    build build.context build.args.A build.args.NPM_TOKEN image command entrypoint environment environment.A environment.KEY
    environment.PORT ports
    expose healthcheck.test healthcheck.interval healthcheck.timeout healthcheck.retries healthcheck.start_period healthcheck.disable
    deploy.replicas scale mem_limit deploy.resources.limits.memory stop_signal stop_grace_period depends_on volumes
""")
_KAMAL_PROXY = words("""
    host hosts ssl ssl_redirect path_prefix response_timeout app_port healthcheck.path healthcheck.interval healthcheck.timeout
    buffering.max_request_body
""")
_KAMAL_ROLE = words("hosts cmd options.memory env.clear.A env.secret stop_wait_time proxy")
_KAMAL_TOP = words("""
    service image servers env.clear.A env.secret env.A builder.context builder.args.A deploy_timeout readiness_delay drain_timeout
    stop_wait_time retain_containers primary_role ssh.user healthcheck.path accessories.db.image
""")
_FLY_SERVICE = words("""
    internal_port force_https min_machines_running processes http_options.idle_timeout checks[].path checks[].interval checks[].timeout
    http_checks[].path http_checks[].timeout tcp_checks[].interval ports[].force_https ports[].port
""")
_FLY_TOP = words("""
    app kill_signal kill_timeout env.A env.API_KEY deploy.release_command deploy.release_command_timeout deploy.wait_timeout
    deploy.max_unavailable processes.web processes.app processes.job vm[].memory vm[].processes vm.memory build.args.A
    experimental.cmd experimental.entrypoint checks.up.type checks.up.path checks.up.processes checks.up.interval
""")
_APP_JSON = words("""
    name env.A env.A.value env.A.generator env.A.required env.B scripts.release scripts.dokku.predeploy formation.web.quantity
    formation.job.quantity addons cron
""")
_APP_JSON_CHECK = words("type path command listening timeout wait attempts content")
MAPPED = {
    "compose": ["name", "x-any", *(f"services.{name}.{key}" for name in ("web", "job", "release", "a b") for key in _COMPOSE_SERVICE)],
    "kamal": [
        *_KAMAL_TOP,
        *(f"proxy.{key}" for key in _KAMAL_PROXY),
        *(f"servers.{role}.{key}" for role in ("web", "job", "app") for key in _KAMAL_ROLE),
        *(f"servers.web.proxy.{key}" for key in _KAMAL_PROXY),
    ],
    "fly": [*_FLY_TOP, *(f"http_service.{key}" for key in _FLY_SERVICE), *(f"services[].{key}" for key in _FLY_SERVICE)],
    "heroku": words("setup.config.A build.config.A release release.command run.web run.job run.job.command run.release setup.addons"),
    "app.json": [*_APP_JSON, *(f"healthchecks.{name}[].{key}" for name in ("web", "job") for key in _APP_JSON_CHECK)],
}
BEGUN: dict[str, list[tuple[str, object]]] = {
    "compose": [(f"services.{name}.{key}", value) for name in ("web", "job") for key, value in (("build", "."), ("command", "./run"))],
    "fly": [("processes.web", "./run"), ("processes.job", "./work")],
}
TEXTS = st.one_of(
    st.sampled_from([*words("x-y 1 -1 ~ PORT=80 ${A} $$x <%= 'open [] CMD NONE ../x a.b release"), ""]),
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
)
SCALARS = st.one_of(
    TEXTS, st.booleans(), st.integers(min_value=-5, max_value=10**6), st.floats(allow_nan=False, allow_infinity=False, width=16)
)


LIKELY = st.sampled_from(
    [
        *words("""web job app 30s 90 20m 1m30s 512m 1gb 8080 8080:80 2 0.5 true false SIGTERM INT /up /v1/ A=b KEY=x ${A:-b} x app.js
        startup liveness readiness tcp shop.example.com 192.0.2.1 shop .
        ./api postgres:16"""),
        "./run --port 8080",
        "curl http://localhost/x",
    ]
)


def documents(dialect: str) -> st.SearchStrategy[dict[str, object]]:
    """Keys that are known, with values right and wrong; and whatever else."""
    told = {pattern.replace("*", "web") for pattern in DIALECTS[dialect].told}
    step = st.sampled_from(sorted({part for path in [*told, *MAPPED[dialect]] for part in path.replace("[]", "").split(".")}))
    anything = st.recursive(
        SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(step, inner, max_size=4)), max_leaves=8
    )
    value = st.one_of(LIKELY, LIKELY, st.lists(LIKELY, max_size=3), st.integers(min_value=0, max_value=900), anything)
    known = st.tuples(st.sampled_from(MAPPED[dialect]), value)
    other = st.tuples(st.one_of(st.sampled_from(sorted(told)), TEXTS.filter(bool)), anything)
    pairs = st.lists(st.one_of(known, known, known, other), min_size=6, max_size=24)
    return st.builds(lambda begun, pairs: nested([*begun, *pairs]), st.sampled_from([[], BEGUN.get(dialect, [])]), pairs)


def nested(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """One document of values by their keys; `[]` behind a step stands for a list of one table. What does not fit is left out."""
    document: dict[str, object] = {}
    for path, value in pairs:
        *outer, last = path.split(".")
        table: object = document
        for step in outer:
            table = table.setdefault(step.removesuffix("[]"), [{}] if step.endswith("[]") else {}) if isinstance(table, dict) else None
            table = table[0] if isinstance(table, list) and table else table
        if isinstance(table, dict):
            table.setdefault(last.removesuffix("[]"), value)
    return document


def toml(value: object) -> str:
    """As an inline value."""
    match value:
        case dict():
            return "{" + ", ".join(f"{quoted(key)} = {toml(each)}" for key, each in value.items()) + "}"
        case list():
            return f"[{', '.join(toml(each) for each in value)}]"
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
    return repr(value)


def written(dialect: str, document: dict[str, object]) -> bytes:
    """JSON is YAML."""
    if dialect == "fly":
        return "\n".join(f"{quoted(key)} = {toml(value)}" for key, value in document.items()).encode()
    return json.dumps(document, indent=1).encode()


def translated(dialect: str, content: bytes) -> Translation | None:
    """None where the file is refused for people."""
    try:
        return translate({PLACES[dialect]: content}, PLACES[dialect])
    except UsageError as error:
        assert getattr(error, "problems", ()) or error.hint
        return None


def tree(dialect: str, content: bytes) -> Node:
    root = DIALECTS[dialect].reads({PLACES[dialect]: content}, PLACES[dialect], problems=Problems())
    assert root is not None
    return root


def check(dialect: str, content: bytes) -> None:
    made = translated(dialect, content)
    if made is None:
        return
    sources = [row.source for row in made.rows]
    assert len(sources) == len(set(sources))
    for leaf in tree(dialect, content).leaves():
        around = [said(leaf.path[:length]) for length in range(1, len(leaf.path) + 1)]
        assert sum(source in sources for source in around) == bool(around), leaf
    for offered in (None, {"web": "x"}):
        read({"mooring.toml": made.toml.encode()}, environment=EnvironmentId.parse("shop"), offered=offered)
    active = [row for row in made.toml.split("\n") if row and not row.startswith("#")]
    assert not active or made.rows
    assert joined(translation_lines(made, width=80))
    json.dumps(msgspec.to_builtins(made))


@pytest.mark.parametrize("dialect", MAPPED)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_every_key_is_dealt_with_once_and_what_is_written_is_read_without_a_problem(dialect: str, data: st.DataObject) -> None:
    check(dialect, written(dialect, data.draw(documents(dialect))))


@given(st.dictionaries(st.sampled_from(["web", "release", "worker", "clock-1"]), TEXTS, max_size=4))
def test_every_line_of_a_procfile_is_dealt_with_once(lines: dict[str, str]) -> None:
    content = "".join(f"{name}: {' '.join(command.split())}\n" for name, command in lines.items()).encode()
    made = translated("procfile", content)
    if made is not None:
        assert sorted(row.source for row in made.rows) == sorted(lines)
        read({"mooring.toml": made.toml.encode()}, environment=EnvironmentId.parse("shop"), offered={"web": "x"})


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=80))
@example(content=b"")
@example(content=b"\xff\xfe")
@example(content=b'a: "\\U00110000"')
@example(content=b"a: \x01")
@example(content=b"!<tag:yaml.org,2002:python/name:os.system> a")
@example(content=b"? [a]\n: b")
@example(content=b"&a [*a]")
@example(content=b"<<: 3")
@example(content=b"null")
@example(content=b"services: {web: {<<: [&x {a: *x}]}}")
def test_any_bytes_are_translated_or_refused_for_people(dialect: str, content: bytes) -> None:
    translated(dialect, content)


SENTINEL = "sentinel-5f1c"
SECRETS = {
    "SECRET_KEY_BASE": SENTINEL,
    "DB_PASSWORD": SENTINEL,
    "STRIPE_API_KEY": SENTINEL,
    "GITHUB_TOKEN": SENTINEL,
    "DATABASE_URL": f"postgres://shop:{SENTINEL}@db/shop",
    "REDIS": f"redis://:{SENTINEL}@redis:6379",
    "CERTIFICATE": f"-----BEGIN PRIVATE KEY-----\n{SENTINEL}",
    "HOOK": f"https://example.com/?token={SENTINEL}",
    "PAYMENTS": f"sk_live_{SENTINEL}",
}
SECRET_FILES = {
    "compose": {
        "services": {
            "web": {"build": {"context": ".", "args": SECRETS}, "command": "x", "environment": SECRETS},
            "job": {"build": ".", "command": "y", "environment": [f"{name}={value}" for name, value in SECRETS.items()]},
            "db": {"image": "postgres", "environment": SECRETS},
        }
    },
    "kamal": {
        "service": "shop",
        "env": {"clear": SECRETS},
        "servers": {"web": {"env": SECRETS}},
        "builder": {"args": SECRETS},
        "registry": {"password": SENTINEL},
        "accessories": {"db": {"env": {"clear": SECRETS}}},
    },
    "fly": {"app": "shop", "env": SECRETS, "build": {"args": SECRETS}, "files": [{"guest_path": "/key", "raw_value": SENTINEL}]},
    "heroku": {"setup": {"config": SECRETS}, "build": {"config": SECRETS}, "run": {"web": "x"}},
    "app.json": {"env": {**SECRETS, "OTHER_SECRET": {"value": SENTINEL}}},
}


@pytest.mark.parametrize("dialect", SECRET_FILES)
def test_the_value_of_a_secret_stands_nowhere_but_a_command_to_set_it_does(dialect: str) -> None:
    made = translated(dialect, written(dialect, SECRET_FILES[dialect]))
    assert made is not None
    shown = made.toml + json.dumps(msgspec.to_builtins(made)) + joined(translation_lines(made, width=None))
    assert SENTINEL not in shown
    assert {f"mooring secret set {name}" for name in SECRETS} <= set(made.commands)


@pytest.mark.parametrize(
    "content",
    [
        b"a: " + b"[" * 190_000,
        b"{" * 190_000,
        b"- " * 99_000,
        b"a:\n" + b"".join(b" " * depth + b"- a:\n" for depth in range(600)),
        b"x0: &x0 [x]\n" + b"".join(b"x%d: &x%d [%s]\n" % (n, n, b",".join([b"*x%d" % (n - 1)] * 50)) for n in range(1, 40)),
        b"x0: &x0 {a: 1}\n" + b"".join(b"x%d: &x%d {<<: [%s]}\n" % (n, n, b",".join([b"*x%d" % (n - 1)] * 50)) for n in range(1, 40)),
        b"services:\n" + b"".join(b" s%d: {build: ., command: x}\n" % n for n in range(4_000)),
        b"services: {web: {build: ., environment: {%s}}}" % b",".join(b"V%d: x" % n for n in range(9_000)),
        b"a: '" + b"x" * 190_000,
        b"services: {web: {build: ., command: '%s'}}" % (b"${A:-" * 30_000),
        b"#" * 200_001,
    ],
    ids=range(11),
)
def test_a_file_made_to_exhaust_the_reader_is_answered_shortly(content: bytes) -> None:
    try:
        made = translate({"compose.yaml": content}, "compose.yaml")
    except UsageError as error:
        assert len(str(error)) < 5_000
    else:
        assert made.rows
