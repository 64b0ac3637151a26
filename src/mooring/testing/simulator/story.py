"""A story as a value: the app, what people ask, and what goes wrong when. Must not: draw lots, or happen."""

from __future__ import annotations

import enum

import msgspec

from mooring.testing.laws import Moment


class What(enum.Enum):
    """What may happen. The orders of people first, then what goes wrong."""

    DEPLOY = "deploy"
    SCALE = "scale"
    RESTART = "restart"
    ROLLBACK = "rollback"
    DESTROY = "destroy"
    CANCEL = "cancel"  # the newest deployment, at any time
    SECOND_USER = "second user"  # somebody else asks for something at the same moment
    PUSHES = "pushes"  # three pushes at once: the newest must win
    CRASH = "crash"  # the controller is killed
    ZOMBIE = "zombie"  # the controller is killed, and its last effect arrives after its successor has begun to act
    LOST = "answer lost"
    LATE = "answer late"  # before: the effect itself is late, and all behind it; after: its answer
    TWICE = "answer twice"  # it is delivered twice and answered twice
    REFUSED = "refused"
    BLIND = "drivers silent"
    FLAP = "health flaps"
    DIES = "instance dies"
    EDGE_RESTART = "edge restarts"
    DISK_FULL = "disk full"
    CLOCK_JUMP = "clock jumps"
    HOST_SILENT = "host silent"  # to the controller: the edge still reaches what runs there
    HOST_CUT = "host cut off"  # nobody reaches it; what runs there lives on
    HOST_DIES = "host dies"  # and boots when its time is over, with what ran
    HOST_RESTORED = "host restored"  # it dies, and comes back with the disk that it had when the story began
    HOST_FULL = "host full"  # nothing new can be put on its disk


class On(enum.Enum):
    """What a happening waits for: a moment, an effect, or a write of the memory. All are counted from the story's beginning."""

    TIME = "second"
    EFFECT = "effect"
    WRITE = "write"


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """`what` happens at `number` (seconds for TIME, else 1, 2, …), `moment` that effect or write.

    `seconds`: how long it lasts. `pick` chooses among what there is to choose from: which instance, which way, which tree.
    """

    what: What
    on: On = On.TIME
    number: float = 0.0
    moment: Moment = Moment.BEFORE
    seconds: float = 1.0
    pick: int = 0

    def __str__(self) -> str:
        where = f"at {self.number:.1f} s" if self.on is On.TIME else f"{self.moment.value} {self.on.value} {self.number:.0f}"
        return f"{self.what.value} {where} (for {self.seconds:.1f} s, pick {self.pick})"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The app, and how its instances behave. Durations in seconds.

    `release_seconds` negative: it has no release command. `memory` is what one web instance declares; `budget` what the host has,
    0 for plenty. `is_spread`: over three other hosts in two regions, whose clocks are `skew` apart, and one of which takes `slow` times
    as long for everything.
    """

    web: int = 2
    has_worker: bool = False
    has_clock: bool = False  # a process type that is single
    is_web_single: bool = False
    is_in_place: bool = False  # max_surge = 0
    has_liveness: bool = False
    has_second_environment: bool = False
    deploys_before: int = 1
    bake: float = 0.3
    min_healthy_time: float = 0.0
    auto_revert: bool = True
    drain_timeout: float = 5.0
    keep_releases: int = 5
    release_seconds: float = -1.0
    build_seconds: float = 0.0
    ready_after: float = 0.0
    stop_takes: float = 0.0
    latency: float = 0.001
    memory: int = 0
    budget: int = 0
    is_spread: bool = False
    skew: float = 0.0
    slow: float = 1.0


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """`seed` is what it was made from; negative: by hand."""

    seed: int = -1
    setting: Setting = Setting()
    happenings: tuple[Happening, ...] = ()

    def __str__(self) -> str:
        plain = Setting()
        app = {name: value for name in Setting.__struct_fields__ if (value := getattr(self.setting, name)) != getattr(plain, name)}
        lines = [f"app: {', '.join(f'{name}={value}' for name, value in app.items()) or 'plain'}"]
        return "\n".join([*lines, *(f"  {happening}" for happening in self.happenings)])


ORDERS = (What.DEPLOY, What.SCALE, What.RESTART, What.ROLLBACK, What.DESTROY)
AROUND_AN_EFFECT = {
    What.CRASH: (Moment.BEFORE, Moment.AFTER),
    What.ZOMBIE: (Moment.BEFORE,),
    What.LOST: (Moment.BEFORE, Moment.AFTER),
    What.LATE: (Moment.BEFORE, Moment.AFTER),
    What.TWICE: (Moment.AFTER,),
    What.REFUSED: (Moment.BEFORE,),
    **dict.fromkeys(
        (
            What.BLIND,
            What.FLAP,
            What.DIES,
            What.EDGE_RESTART,
            What.DISK_FULL,
            What.CLOCK_JUMP,
            What.CANCEL,
            What.SECOND_USER,
            What.PUSHES,
        ),
        (Moment.BEFORE, Moment.AFTER),
    ),
}
HOST_FAULTS = (What.HOST_SILENT, What.HOST_CUT, What.HOST_DIES, What.HOST_RESTORED, What.HOST_FULL)
AROUND_AN_EFFECT_ON_HOSTS = dict.fromkeys(HOST_FAULTS, (Moment.BEFORE, Moment.AFTER))  # where the app is spread over hosts
AROUND_A_WRITE = {
    What.CRASH: (Moment.BEFORE, Moment.AFTER),
    What.DISK_FULL: (Moment.BEFORE,),
    What.LOST: (Moment.AFTER,),
}
HARMLESS = frozenset(
    {What.DEPLOY, What.RESTART, What.CRASH, What.ZOMBIE, What.LOST, What.LATE, What.TWICE, What.REFUSED, What.BLIND, What.CLOCK_JUMP}
)  # what is no reason for a good release to fail
