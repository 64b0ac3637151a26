"""The keys of the rollout, in Nomad's words; their defaults are the model's. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.kinds.kind import Kind
from mooring.manifest.kinds.numbers import Duration, Flag, Number, Portion, Size, Whole
from mooring.model.policy import Policy

_POLICY = Policy()
_DAY = 86400.0


def _key(name: str, kind: Kind, *, summary: str, example: str, text: str = "") -> Key:
    example = f"[deploy]\n{name} = {example}"
    return Key(path=f"deploy.{name}", kind=kind, summary=summary, text=text, default=getattr(_POLICY, name), example=example)


_PACE = (
    _key(
        "max_surge",
        Portion(),
        summary="how many instances of a process type may run beyond what is wanted, while old ones are replaced",
        text="A count, or a percent of the count, rounded up. More makes a deployment quicker and takes more memory for its time.",
        example='"50%"',
    ),
    _key(
        "max_unavailable",
        Portion(),
        summary="how many instances may be missing while old ones are replaced",
        text="A count, or a percent of the count, rounded down. 0 means that the old ones go only after the new ones are ready.",
        example="0",
    ),
    _key(
        "min_healthy_time",
        Duration(most=_DAY),
        summary="how long an instance must have been ready without a break before it counts",
        example='"5s"',
    ),
    _key(
        "healthy_deadline",
        Duration(least=1, most=_DAY),
        summary="how long one instance may take to become ready",
        text="When it is over, the deployment fails with a diagnosis, and the old release serves on.",
        example='"2m"',
    ),
    _key(
        "progress_deadline",
        Duration(least=1, most=_DAY),
        summary="how long all instances together may take to become ready",
        text="When it is over, the deployment fails as well.",
        example='"15m"',
    ),
    _key(
        "release_timeout",
        Duration(least=1, most=_DAY),
        summary="how long the release command may take",
        text="When it is over, the command is ended and the deployment fails.",
        example='"30m"',
    ),
)

_WATCH = (
    _key(
        "bake",
        Duration(most=_DAY),
        summary="how long the new release is watched after the switch, with the old one still there to go back to",
        text='"0s" for not at all.',
        example='"30s"',
    ),
    _key(
        "bake_error_rate",
        Number(noun="an error rate", least=0, most=1),
        summary="the share of failed requests above the old release's that makes the new one worse",
        text="0.01 is one in a hundred.",
        example="0.05",
    ),
    _key(
        "bake_latency_factor",
        Number(noun="a factor", least=1, most=1000),
        summary="how many times slower than the old release the new one may answer",
        example="2.0",
    ),
    _key(
        "auto_revert",
        Flag(),
        summary="whether a release that is found worse once it serves is taken back",
        text="With false it stays, whatever is found, and the receipt shows its errors. A deployment that then does not get to its end by "
        "progress_deadline ends for a person to look at; before the new release serves, the old one simply goes on.",
        example="false",
    ),
)

_END = (
    _key(
        "drain_timeout",
        Duration(most=_DAY),
        summary="how long requests in flight may go on at an instance that gets no new ones",
        example='"1m"',
    ),
    _key(
        "stream_drain_timeout",
        Duration(most=_DAY),
        summary="the same for WebSockets and streams",
        example='"5m"',
    ),
    _key(
        "kill_timeout",
        Duration(most=_DAY),
        summary="how long a process may take to end after its stop signal, before it is killed",
        example='"30s"',
    ),
    _key(
        "keep_releases",
        Whole(noun="the number of kept releases", least=2, most=1000, fix="keep 2 or more: the one that serves, and one to go back to"),
        summary="how many releases are kept to go back to",
        example="10",
    ),
    _key(
        "keep_bytes",
        Size(),
        summary="how many bytes the kept releases may take; the one that serves and the one before are always kept",
        example='"10GB"',
    ),
)

DEPLOY = Section(
    path="deploy",
    noun="the rollout",
    summary="how a rollout may behave",
    text="The words are Nomad's. Every wait has its deadline here, and every deadline ends with the old release serving.",
    keys=_PACE + _WATCH + _END,
)
