"""What the packed file runs: a moment of a unit's life, or a request of the controller's: a line of JSON on standard input, one back;
or a conversation of frames, for a command with somebody attached.

Must not: end between an effect and its answer because the connection broke.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def main(words: list[str]) -> None:
    if words[0] == "ask":
        _answer()
        return
    if words[0] == "converse":
        _converse()
        return
    from mooring.drivers.runtime.systemd.onhost import launch

    moments = {"before": launch.before, "ending": launch.ending, "after": launch.after, "after-task": launch.after_task}
    if words[0] == "become":
        launch.become(is_attached=words[1:] == ["attached"])
    else:
        moments[words[0]](words[1])


def _answer() -> None:
    import json
    import os
    import signal

    from mooring.drivers.runtime.systemd.onhost import artifacts, checks, instances, journal, tasks
    from mooring.drivers.runtime.systemd.onhost.place import Place

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    verbs = {
        "start": instances.start,
        "stop": instances.stop,
        "restart": instances.restart,
        "observe": instances.observe,
        "inspect": instances.inspect,
        "check": checks.check,
        "run_task": tasks.run,
        "observe_task": tasks.observe,
        "stop_task": tasks.stop,
        "forget": tasks.forget,
        "history": journal.history,
        "follow": journal.follow,
        "offer": artifacts.offer,
        "unpack": artifacts.unpack,
        "reclaim": artifacts.reclaim,
        "holdings": artifacts.holdings,
    }
    asked = json.loads(sys.stdin.buffer.readline())

    def done() -> dict[str, Any]:
        place = Place(asked["directory"], os.path.abspath(sys.argv[0]))
        verb = asked["verb"]
        return artifacts.receive(place, asked, sys.stdin.buffer) if verb == "receive" else verbs[verb](place, asked)

    failure, said = _tried(done)
    print(json.dumps({"failed": failure} if failure else {"done": said}), flush=True)


def _converse() -> None:
    import json
    import os
    import signal

    from mooring.drivers.runtime.systemd.onhost import sessions
    from mooring.drivers.runtime.systemd.onhost.place import Place

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        asked = json.loads(sessions.question())
        failure, _ = _tried(lambda: sessions.converse(Place(asked["directory"], os.path.abspath(sys.argv[0])), asked))
        if failure:
            sessions.say(sessions.FAILED, json.dumps(failure).encode())
    except EOFError:
        return  # whoever asked has gone


def _tried(act: Callable[[], Any]) -> tuple[list[str] | None, Any]:
    """Why it failed, in the controller's words; or what it gave."""
    import errno
    import subprocess

    from mooring.drivers.runtime.systemd.onhost import record

    try:
        return None, act()
    except record.Failed as failure:
        return [failure.kind, failure.message, failure.hint], None
    except subprocess.TimeoutExpired as error:
        return ["outcome-unknown", f"{' '.join(error.cmd[:3])} did not end within {error.timeout:g} seconds", ""], None
    except OSError as error:
        kind = "unavailable" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES) else "outcome-unknown"
        return [kind, f"{error.filename or 'the host'}: {error.strerror}", ""], None
