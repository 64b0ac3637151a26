"""Each way in which an instance is not well has its own sentence and its own advice."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mooring.drivers.runtime.contract import Inspection
from mooring.engine.diagnosis import diagnose
from mooring.engine.situation import Situation
from mooring.manifest.keys.table import KEYS
from mooring.model.environment import EnvironmentId
from mooring.model.health import Check, CheckKind, Listening, ProbeResult
from mooring.model.instance import InstanceKey, InstanceView, ProcessState
from mooring.model.names import ProcessName, accessory_name

KEY = InstanceKey(EnvironmentId.parse("shop"), ProcessName("web"), 1, 7)
HTTP = Check(kind=CheckKind.HTTP, paths=("/up", "/health", "/"), host="shop.localhost", timeout=3.0)
HERE = Listening("127.0.0.1", 20013)

REFUSED = ProbeResult(passed=False, at=1.0, latency=0.001, path="/up", said="connection refused")
TIMED_OUT = ProbeResult(passed=False, at=1.0, latency=3.0, path="/up", said="no answer within 3 s")
PASSED = ProbeResult(passed=True, at=1.0, latency=0.004, path="/up", status=200, said="answered 200")


def view(state: ProcessState = ProcessState.RUNNING, **fields: Any) -> InstanceView:
    return InstanceView(key=KEY, state=state, port=20013, pid=77, **fields)


def died(**fields: Any) -> InstanceView:
    return view(ProcessState.BACKOFF, restarts=2, **fields)


def answered(status: int, path: str = "/up") -> ProbeResult:
    return ProbeResult(passed=status < 400, at=1.0, latency=0.01, path=path, status=status, said=f"answered {status}")


def seen(observed: InstanceView | None, *lines: str, **fields: Any) -> Inspection:
    return Inspection(view=observed, last_lines=lines, **fields)


PYTHON = (
    "Traceback (most recent call last):",
    '  File "/srv/lib/gunicorn/util.py", line 420, in import_app',
    "    mod = importlib.import_module(module)",
    '  File "/srv/app.py", line 7, in <module>',
    "    1 / 0",
    "    ~~^~~",
    "ZeroDivisionError: division by zero",
)

CASES: list[tuple[str, Inspection, tuple[ProbeResult, ...], str, str]] = [
    (
        "never listens",
        seen(view()),
        (REFUSED,),
        "it runs, but listens on no port; it was told PORT=20013",
        "start a server on the port in the variable PORT",
    ),
    (
        "listens on another port",
        seen(view(), listening=(Listening("127.0.0.1", 5000),)),
        (REFUSED,),
        "it listens on 127.0.0.1:5000, but was told PORT=20013",
        "start it on the port in the environment, such as --port $PORT",
    ),
    (
        "listens only on ::1",
        seen(view(), listening=(Listening("::1", 20013),)),
        (REFUSED,),
        "it listens on [::1]:20013 only, but is asked on 127.0.0.1:20013",
        "listen on 0.0.0.0 or 127.0.0.1 instead of ::1",
    ),
    (
        "answers 500",
        seen(view(), listening=(HERE,)),
        (answered(500),),
        "it answers 500 on /up: the app itself fails",
        "see its last lines for the error",
    ),
    (
        "answers 404 on all paths",
        seen(view(), listening=(HERE,)),
        (answered(404, "/"),),
        "it answers 404 on /up, /health, /",
        "add a page that says 200 when the app is well, such as /up, or name one: processes.web.health.path",
    ),
    (
        "wants a login",
        seen(view(), listening=(HERE,)),
        (answered(401),),
        "it answers 401 on /up",
        "let the health check's path answer 2xx without logging in",
    ),
    (
        "refuses the Host header, as Django does",
        seen(view(), "django.core.exceptions.DisallowedHost: Invalid HTTP_HOST header", listening=(HERE,)),
        (answered(400),),
        "it answers 400 to the Host header shop.localhost",
        "allow shop.localhost in the app, such as ALLOWED_HOSTS in Django's settings",
    ),
    (
        "listens and gives no answer",
        seen(view(), listening=(Listening("0.0.0.0", 20013),)),
        (TIMED_OUT,),
        "it listens on port 20013, but gave no answer within 3 s (no answer within 3 s)",
        "see what the first request waits for, such as a database; or set a longer processes.web.health.timeout",
    ),
    (
        "is slow: it has only just begun to listen",
        seen(view(), listening=(Listening("::", 20013),)),
        (REFUSED,),
        "it listens on port 20013 now, but was not ready in time",
        "make it start faster, or give it a longer deploy.healthy_deadline",
    ),
    (
        "exits at once",
        seen(died(exit_code=3), "boom"),
        (REFUSED,),
        "it exited with code 3, and was restarted 2 times",
        "see its last lines",
    ),
    (
        "exits by an error of Python's",
        seen(died(exit_code=3), *PYTHON, "[ERROR] Worker failed to boot."),
        (REFUSED,),
        "it exited with code 3, and was restarted 2 times; its last error is ZeroDivisionError: division by zero (app.py, line 7)",
        "see its last lines",
    ),
    (
        "answers 500 for an error of Python's",
        seen(view(), *PYTHON, listening=(HERE,)),
        (answered(500),),
        "it answers 500 on /up: the app itself fails; its last error is ZeroDivisionError: division by zero (app.py, line 7)",
        "see its last lines for the error",
    ),
    (
        "was well, then died by an error of Python's",
        seen(view(exit_code=1), *PYTHON),
        (PASSED, REFUSED),
        "it answered, and then exited with code 1; its last error is ZeroDivisionError: division by zero (app.py, line 7)",
        "see its last lines for what happened after it had started",
    ),
    (
        "ends with 0",
        seen(died(exit_code=0)),
        (REFUSED,),
        "its command ends with code 0 instead of going on, and was restarted 2 times",
        "start the server in the foreground: a process type must run until it is told to stop",
    ),
    (
        "was well, then died",
        seen(view(exit_code=1, restarts=1)),
        (PASSED, REFUSED),
        "it answered, and then exited with code 1, and was restarted 1 time",
        "see its last lines for what happened after it had started",
    ),
    (
        "is killed",
        seen(died(signal="SIGKILL")),
        (REFUSED,),
        "it was ended by SIGKILL, and was restarted 2 times",
        "see its last lines; SIGKILL often means that memory ran out",
    ),
    (
        "is out of memory",
        seen(died(signal="SIGKILL"), is_out_of_memory=True),
        (REFUSED,),
        "the kernel killed it because memory ran out, and was restarted 2 times",
        "let it use less memory, or run fewer instances on this host",
    ),
    (
        "command not found",
        seen(died(exit_code=127), "/bin/sh: 1: exec: gunicorn: not found"),
        (REFUSED,),
        "gunicorn was not found (exit code 127)",
        "correct the command in the Procfile, or add what provides it to the dependencies",
    ),
    (
        "may not be executed",
        seen(died(exit_code=126), "/bin/sh: 1: ./serve: Permission denied"),
        (REFUSED,),
        "its command may not be executed (exit code 126)",
        "set the executable bit (git update-index --chmod=+x FILE) and commit it",
    ),
    (
        "port taken, by somebody who can be seen",
        seen(died(exit_code=1), "OSError: [Errno 98] Address already in use", port_holder="nginx (pid 4711)"),
        (REFUSED,),
        "port 20013 is in use by nginx (pid 4711)",
        "listen on $PORT (20013) once and on no fixed port; if another program holds it, end that program",
    ),
    (
        "port taken, and a stranger answers in its place",
        seen(view(), port_holder="nginx (pid 4711)"),
        (answered(500),),
        "port 20013 is in use by nginx (pid 4711)",
        "listen on $PORT (20013) once and on no fixed port; if another program holds it, end that program",
    ),
    (
        "port taken, by nobody who can be seen",
        seen(died(exit_code=1), "Error: listen EADDRINUSE: address already in use :::3000"),
        (REFUSED,),
        "the address it wants to listen on is in use",
        "listen on $PORT (20013) once and on no fixed port; if another program holds it, end that program",
    ),
    (
        "a Python module is missing",
        seen(died(exit_code=1), "ModuleNotFoundError: No module named 'flask_login'"),
        (REFUSED,),
        "the module flask_login is not installed",
        "add flask_login to the app's dependencies, or correct the import, and deploy again",
    ),
    (
        "a node module is missing",
        seen(died(exit_code=1), "Error: Cannot find module 'express'", "Require stack:"),
        (REFUSED,),
        "the module express is not installed",
        "add express to the app's dependencies, or correct the import, and deploy again",
    ),
    (
        "an import fails",
        seen(died(exit_code=1), "ImportError: cannot import name 'url_quote' from 'werkzeug.urls'"),
        (REFUSED,),
        "an import fails: cannot import name 'url_quote' from 'werkzeug.urls'",
        "correct the import or the version of the dependency",
    ),
    (
        "a variable is missing",
        seen(died(exit_code=1), "KeyError: 'DATABASE_URL'"),
        (REFUSED,),
        "it needs the variable DATABASE_URL, which is not set",
        "mooring config set DATABASE_URL=…, or mooring secret set DATABASE_URL",
    ),
    ("is gone", seen(None), (REFUSED,), "it is not there any more", "deploy again; if it goes again, see the events of the host"),
    ("nobody has asked yet", seen(view(), listening=(HERE,)), (), "it listens on port 20013 now, but was not ready in time", ""),
    ("is well", seen(view(), listening=(HERE,)), (REFUSED, PASSED), "nothing is wrong with it now: it answers", ""),
]


@pytest.mark.parametrize(("inspection", "probes", "cause", "hint"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_cause_and_the_advice_are_told_in_words(inspection: Inspection, probes: tuple[ProbeResult, ...], cause: str, hint: str) -> None:
    diagnosis = diagnose(KEY, inspection, probes, check=HTTP)
    assert diagnosis.likely_cause == cause
    if hint:
        assert diagnosis.hint == hint


def test_a_check_command_that_fails_is_named_with_its_code_and_what_it_said() -> None:
    check = Check(kind=CheckKind.COMMAND, command="bin/check")
    failed = ProbeResult(passed=False, at=1.0, latency=0.1, status=2, said="queue is stuck")
    diagnosis = diagnose(KEY, seen(view()), (failed,), check=check)
    assert (diagnosis.likely_cause, diagnosis.hint) == ("its check command ends with code 2", "queue is stuck")


def test_a_worker_that_runs_is_not_blamed_for_listening_on_no_port() -> None:
    diagnosis = diagnose(KEY, seen(view()), (REFUSED,), check=Check(), is_routed=False)
    assert diagnosis.likely_cause == "it has not become ready yet: connection refused"


def test_the_facts_stand_beside_the_words() -> None:
    inspection = seen(died(exit_code=3), "one", "two", listening=(HERE,))
    diagnosis = diagnose(KEY, inspection, (REFUSED,), check=HTTP)
    assert diagnosis.instance == "v7 web.1"
    assert (diagnosis.process_state, diagnosis.port, diagnosis.exit_code, diagnosis.restarts) == ("backoff", 20013, 3, 2)
    assert diagnosis.listening == (HERE,)
    assert diagnosis.probes == (REFUSED,)
    assert diagnosis.last_lines == ("one", "two")


def test_advice_names_the_keys_of_an_accessory_where_it_is_one() -> None:
    home = EnvironmentId.parse("shop").with_accessory(accessory_name("redis"))
    told = seen(died(end_reason="it used 300 MB of 256 MB"), is_out_of_memory=True)
    found = diagnose(InstanceKey(home, ProcessName("redis"), 1, 7), told, (), check=HTTP)
    assert found.hint == "let it use less memory, or declare more: accessories.redis.memory in mooring.toml"


def test_the_keys_that_advice_names_are_keys_of_the_manifest() -> None:
    """Every `processes.…` and `deploy.…` in what is said."""
    named = {name for case in CASES for name in re.findall(r"\b(?:processes|deploy)\.[\w.]+", case[4])}
    assert named == {"processes.web.health.path", "processes.web.health.timeout", "deploy.healthy_deadline"}
    assert {name.replace(".web.", ".NAME.") for name in named} <= set(KEYS)


def test_the_keys_that_advice_about_an_accessory_names_are_keys_of_an_accessory() -> None:
    """Of all the cases: what it can be told of itself, and nothing that only an app has."""
    redis = InstanceKey(EnvironmentId.parse("shop").with_accessory(accessory_name("redis")), ProcessName("redis"), 1, 7)
    hints = {case[0]: diagnose(redis, case[1], case[2], check=HTTP).hint for case in CASES}
    named = {name for hint in hints.values() for name in re.findall(r"\b(?:accessories|processes|deploy)\.[\w.]+", hint)}
    assert named == {"accessories.redis.health.path"}
    assert {name.replace(".redis.", ".NAME.") for name in named} <= set(KEYS)
    assert hints["listens and gives no answer"] == "see what the first request waits for, such as a database"
    assert hints["is slow: it has only just begun to listen"] == "make it start faster"


def test_every_situation_has_its_words() -> None:
    from mooring.engine import diagnosis

    assert set(diagnosis._WORDS) == set(Situation)
