"""What every process of an app finds in its environment before the builder and the app add theirs: nothing of the controller's.

Must not: hold a secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mooring.model.secret import Secret

TEMPORARY = "tmp"
"""In a home of an environment's own."""


def environment(variables: Mapping[str, str | Secret], *, home: str = "", address: str = "", port: int = 0) -> dict[str, str | Secret]:
    """The variables over a clean base. PORT is the platform's own and stands above all; HOST may be set otherwise by the app.

    `home`: of who may not write to the account's."""
    base: dict[str, str | Secret] = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108 - the place that programs expect; they make their own names in it
        "SHELL": "/bin/sh",
        "PYTHONUNBUFFERED": "1",  # what is printed shows up in the logs at once
        **({"HOME": home, "TMPDIR": f"{home}/{TEMPORARY}"} if home else {}),
    }
    if not port:
        return {**base, **variables}
    return {**base, "HOST": address, **variables, "PORT": str(port)}
