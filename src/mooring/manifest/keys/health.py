"""The keys of health checks: what is asked, and how often. Must not: read a file, or ask."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import HOSTNAME
from mooring.manifest.kinds.numbers import Duration, Flag, Whole
from mooring.manifest.kinds.texts import ListOf, Text

CHECKS = ("startup", "readiness", "liveness")
QUESTIONS = ("path", "paths", "tcp", "command")
DEFAULT_PATHS = ("/up", "/health", "/")
_PATH = Text(noun="a path", pattern=r"\A/[\x21\x22\x24-\x7e]{0,999}\Z", rule="a path begins with / and holds no spaces and no #")
_LATENCY = Duration(least=0.1, most=300)


def _questions(path: str, *, table: str) -> tuple[Key, ...]:
    return (
        Key(
            path=f"{path}.path",
            kind=_PATH,
            summary="ask over HTTP: this page has to answer with a status below 400",
            default_text="`/up`, then `/health`, then `/` for a routed process",
            example=f'[{table}]\npath = "/healthz"',
        ),
        Key(
            path=f"{path}.paths",
            kind=ListOf(item=_PATH, noun="paths", most=10),
            summary="ask over HTTP: these pages in order, until one does not answer 404",
            example=f'[{table}]\npaths = ["/up", "/"]',
        ),
        Key(
            path=f"{path}.tcp",
            kind=Flag(),
            summary="ask only whether the port takes connections",
            default=False,
            example=f"[{table}]\ntcp = true",
        ),
        Key(
            path=f"{path}.command",
            kind=Text(noun="a command"),
            summary="run this shell line where the instance runs, in the app's folder; exit code 0 means well",
            text="In its container, or beside it on its host, with its variables and within its bounds. Its image needs a `/bin/sh`.",
            example=f'[{table}]\ncommand = "bin/check"',
        ),
        Key(
            path=f"{path}.host",
            kind=HOSTNAME,
            summary="the Host header to ask under",
            default_text="the first of `hostnames`",
            example=f'[{table}]\nhost = "shop.example.com"',
        ),
        Key(
            path=f"{path}.timeout",
            kind=_LATENCY,
            summary="how long one answer may take",
            default_text='"5s" for startup, "3s" else; "10s" for a command',
            example=f'[{table}]\ntimeout = "2s"',
        ),
    )


_PACE = (
    Key(
        path="processes.NAME.health.CHECK.interval",
        kind=_LATENCY,
        summary="how long to wait between two questions",
        text="While a new instance starts, it is asked again after a tenth of the time it has taken so far, and after one interval at"
        " the latest; a command after each interval.",
        default_text='"200ms" for startup, "2s" for readiness, "10s" for liveness; for a command "1s", "10s" and "30s"',
        example='[processes.web.health.readiness]\ninterval = "5s"',
    ),
    Key(
        path="processes.NAME.health.CHECK.failures",
        kind=Whole(noun="a number of failures", least=1, most=1000),
        summary="how many bad answers in a row count as failed",
        text="Startup has no such number: it is asked until `deploy.healthy_deadline`.",
        default=3,
        example="[processes.web.health.liveness]\nfailures = 5",
    ),
)

HEALTH = Section(
    path="processes.NAME.health",
    noun="a health check",
    summary="how Mooring finds out whether an instance is ready",
    text="What stands here holds for startup and readiness. Routed processes are asked over HTTP, others only whether they run. "
    "Say one of `path`, `paths`, `tcp` and `command`.",
    keys=_questions("processes.NAME.health", table="processes.web.health"),
)

CHECK = Section(
    path="processes.NAME.health.CHECK",
    noun="a check",
    summary="one check by itself: `startup`, `readiness` or `liveness`",
    text="`startup` is asked until it passes once. `readiness` goes on after that and decides whether the instance gets requests. "
    "`liveness` restarts an instance that fails it; it is off until one of its keys is set.",
    keys=_questions("processes.NAME.health.CHECK", table="processes.web.health.startup") + _PACE,
)
