"""Starting and stopping the platform on this machine, as a program of its own: the server's code is never loaded here.

Must not: know what the platform consists of.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import msgspec

from mooring.client.problems import ProblemDocument, error_of
from mooring.errors import NeedsPerson, UsageError


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="progress"):
    """One thing that was done, as a sentence. `seconds` since the beginning."""

    message: str
    seconds: float


class Summary(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="summary"):
    """The platform as it now is. Ports are 0 when closed; `changed` False: it was so before."""

    version: str
    state_directory: str
    socket: str
    is_up: bool
    changed: bool = True
    http_port: int = 0
    https_port: int = 0
    bind: str = ""
    api: str = ""
    apps: int = 0


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="failure"):
    problem: ProblemDocument


Line = Progress | Summary | Failure
_DECODER: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def start(
    *,
    edge: str | None = None,
    http_port: int | None = None,
    https_port: int | None = None,
    bind: str | None = None,
    api: str | None = None,
    acme_email: str | None = None,
    acme_directory: str | None = None,
    acme_ca_file: str | None = None,
    acme_dns_hook: str | None = None,
    unconfined_strangers: bool | None = None,
    capacity: str | None = None,
    capacity_limit: int | None = None,
    capacity_idle: float | None = None,
) -> Iterator[Progress | Summary]:
    """What `mooring up` does: progress as it comes, the summary last. None: as it was the last time.

    `edge` is `envoy`, `haproxy` or `auto`. `api` is an `address:port` on which the API listens besides its socket; it takes a token.
    With `acme_email` certificates are ordered from `acme_directory`. `unconfined_strangers`: the code of
    strangers' pull requests may run where nothing keeps it apart. `capacity` is the program that lends hosts, `capacity_limit` at most,
    each given back after `capacity_idle` seconds of no use. Raises what stands in the way."""
    options: dict[str, str | float | None] = {
        "--edge": edge,
        "--http-port": http_port,
        "--https-port": https_port,
        "--bind": bind,
        "--api": api,
    }
    options |= {"--acme-email": acme_email, "--acme-directory": acme_directory}
    options |= {"--acme-ca-file": acme_ca_file, "--acme-dns-hook": acme_dns_hook}
    options |= {"--unconfined-strangers": None if unconfined_strangers is None else "on" if unconfined_strangers else "off"}
    options |= {"--capacity": capacity, "--capacity-limit": capacity_limit, "--capacity-idle": capacity_idle}
    given = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    return _lines("up", *given)


def stop() -> Iterator[Progress | Summary]:
    """What `mooring down` does: apps, edge, everything; `start` brings them back."""
    return _lines("down")


def restore(backup: str, *, passphrase_file: str | None = None, key_file: str | None = None) -> Iterator[Progress | Summary]:
    """What `mooring state restore` does; the platform must be down. The files' names are given, never what is in them."""
    options = {"--passphrase-file": passphrase_file, "--key-file": key_file}
    return _lines("restore", *[word for option, value in options.items() if value is not None for word in (option, value)], backup)


def _lines(verb: str, *options: str) -> Iterator[Progress | Summary]:
    # -P: the working directory is the app's, and what lies there is not code of ours.
    command = [sys.executable, "-P", "-m", "mooring.server", verb, *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603 (an argv list of our own)
        assert process.stdout is not None
        summarised = False
        for text in process.stdout:
            line = _decoded(text)
            if isinstance(line, Failure):
                raise error_of(msgspec.json.encode(line.problem), status=line.problem.status)
            summarised = isinstance(line, Summary)
            yield line
    if not summarised:
        raise NeedsPerson(f"the server's `{verb}` ended without a word (exit code {process.returncode})", hint="see what it wrote above")


def _decoded(text: bytes) -> Line:
    try:
        return _DECODER.decode(text)
    except msgspec.MsgspecError:
        raise UsageError(f"the server said something unexpected: {text.decode(errors='replace').strip()}") from None
