"""The last error that a program told of is found where Python and Node print it, and nowhere else."""

from __future__ import annotations

import pytest

from mooring.engine.last_error import last_error

PYTHON = """Traceback (most recent call last):
  File "/srv/lib/gunicorn/util.py", line 420, in import_app
    mod = importlib.import_module(module)
  File "/srv/app.py", line 7, in <module>
    1 / 0
    ~~^~~
ZeroDivisionError: division by zero
[2026-11-22 02:52:37 +0000] [4371] [INFO] Worker exiting (pid: 4371)"""

CAUSED = """Traceback (most recent call last):
  File "/srv/store.py", line 3, in open
    raise KeyError(name)
KeyError: 'orders'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/app.py", line 12, in <module>
    open("orders")
app.errors.NotFound: there is no table orders"""

SYNTAX = """  File "/srv/app.py", line 4
    def hello(
             ^
SyntaxError: '(' was never closed"""

NODE = """/srv/server.js:3
throw new TypeError("no port")
^

TypeError: no port
    at Object.<anonymous> (/srv/server.js:3:7)
    at Module._compile (node:internal/modules/cjs/loader:1105:14)

Node.js v18.19.0"""

NODE_MODULE = """file:///srv/main.mjs:1
Error [ERR_X]: it failed
    at file:///srv/main.mjs:1:7"""

CASES = [
    (PYTHON, "ZeroDivisionError: division by zero (app.py, line 7)"),
    (PYTHON.partition("\n    ~~")[0].partition("\n")[2] + "\nKeyboardInterrupt", "KeyboardInterrupt (app.py, line 7)"),
    (CAUSED, "app.errors.NotFound: there is no table orders (app.py, line 12)"),
    (SYNTAX, "SyntaxError: '(' was never closed (app.py, line 4)"),
    (NODE, "TypeError: no port (server.js, line 3)"),
    (NODE_MODULE, "Error [ERR_X]: it failed (main.mjs, line 1)"),
    (NODE + "\n" + PYTHON, "ZeroDivisionError: division by zero (app.py, line 7)"),
    ("Error: no port\nlistening on nothing", ""),
    ('  File "/srv/app.py", line 7, in <module>\n    1 / 0', ""),
    ('  File "/srv/app.py", line 7, in <module>\n[INFO] going on', ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "told"), CASES)
def test_the_last_error_is_told_with_its_innermost_place(text: str, told: str) -> None:
    assert last_error(text.splitlines()) == told


def test_a_long_error_is_cut() -> None:
    told = last_error(['  File "/srv/app.py", line 7, in <module>', "ValueError: " + "x" * 5000])
    assert told == "ValueError: " + "x" * 188 + "… (app.py, line 7)"
