"""What the packed file runs: a moment of a unit's life, or a request of the controller's: a line of JSON on standard input, one back.

Must not: end between an effect and its answer because the connection broke.
"""

from __future__ import annotations

import sys


def main(words: list[str]) -> None:
    if words[0] == "ask":
        _answer()
        return
    from mooring.drivers.runtime.systemd.onhost import launch

    moments = {"before": launch.before, "ending": launch.ending, "after": launch.after, "after-task": launch.after_task}
    if words[0] == "become":
        launch.become()
    else:
        moments[words[0]](words[1])


def _answer() -> None:
    import errno
    import json
    import os
    import signal
    import subprocess
    from typing import Any

    from mooring.drivers.runtime.systemd.onhost import artifacts, instances, journal, record, tasks
    from mooring.drivers.runtime.systemd.onhost.place import Place

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    verbs = {
        "start": instances.start,
        "stop": instances.stop,
        "restart": instances.restart,
        "observe": instances.observe,
        "inspect": instances.inspect,
        "run_task": tasks.run,
        "observe_task": tasks.observe,
        "stop_task": tasks.stop,
        "forget": tasks.forget,
        "history": journal.history,
        "follow": journal.follow,
        "offer": artifacts.offer,
        "unpack": artifacts.unpack,
        "reclaim": artifacts.reclaim,
    }
    asked = json.loads(sys.stdin.buffer.readline())
    try:
        place = Place(asked["directory"], os.path.abspath(sys.argv[0]))
        verb = asked["verb"]
        said = artifacts.receive(place, asked, sys.stdin.buffer) if verb == "receive" else verbs[verb](place, asked)
        answer: dict[str, Any] = {"done": said}
    except record.Failed as failure:
        answer = {"failed": [failure.kind, failure.message, failure.hint]}
    except subprocess.TimeoutExpired as error:
        answer = {"failed": ["outcome-unknown", f"{' '.join(error.cmd[:3])} did not end within {error.timeout:g} seconds", ""]}
    except OSError as error:
        kind = "unavailable" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES) else "outcome-unknown"
        answer = {"failed": [kind, f"{error.filename or 'the host'}: {error.strerror}", ""]}
    print(json.dumps(answer), flush=True)
