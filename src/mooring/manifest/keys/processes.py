"""The keys of a process type, but for its health. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.kinds.numbers import Flag, Number, Size, Whole
from mooring.manifest.kinds.texts import Choice, Text

_PREFIX = r"\A/(?!.*//)(?!.*/\.{1,2}(?:/|$))(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]{0,199}[A-Za-z0-9._~!$&'()*+,;=:@-])?\Z"

COMMAND = Text(noun="a command")
STOP_SIGNAL = Choice(noun="a stop signal", options=("TERM", "INT", "QUIT", "HUP", "USR1", "USR2"), optional_prefix="SIG")

PROCESSES = Section(
    path="processes.NAME",
    noun="a process type",
    summary="one process type: what it runs, how many of it, where it is routed",
    text="The Procfile's lines and these tables are laid over each other by name; what stands here goes over the Procfile. "
    "`web` is the process type that gets requests.",
    keys=(
        Key(
            path="processes.NAME.command",
            kind=COMMAND,
            summary="the shell line that starts it",
            text="A routed process must listen on `$PORT`, on 0.0.0.0 or 127.0.0.1.",
            default_text="the Procfile's line, else what the builder offers",
            example='[processes.web]\ncommand = "gunicorn --bind 0.0.0.0:$PORT shop:app"',
        ),
        Key(
            path="processes.NAME.count",
            kind=Whole(noun="a count", most=1000, fix="set count = 0 to stop it, or leave it out for 1"),
            summary="how many instances run until somebody scales it",
            text="`mooring scale` goes over it from then on.",
            default=1,
            example="[processes.web]\ncount = 2",
        ),
        Key(
            path="processes.NAME.single",
            kind=Flag(),
            summary="whether it must never run twice, not for a moment",
            text="For a scheduler, or anything that two of would spoil. In a deployment the old instance stops before the new one starts, "
            "so there is a gap; the plan says so.",
            default=False,
            example="[processes.clock]\nsingle = true",
        ),
        Key(
            path="processes.NAME.memory",
            kind=Size(least=1_000_000),
            summary="the memory one instance may use",
            text="Mooring refuses a deployment whose instances, old and new together, would not fit on the host. An instance that holds "
            "more for five seconds gets no new requests, is told to stop three seconds later, and is started again; one that holds "
            "twice as much is ended at once. `mooring ps` says so: `OOM: used 612 MB of 512 MB declared`. Counted is what its processes "
            "hold and the kernel cannot take back (not mapped files); what they share counts once. Where none is declared nothing is "
            "counted, except for the room of review apps, where what was seen to be used counts.",
            default_text="not declared",
            example='[processes.web]\nmemory = "256MB"',
        ),
        Key(
            path="processes.NAME.cpus",
            kind=Number(noun="a number of processors", least=0.01, most=1024.0),
            summary="how many processors one instance may keep busy",
            text="Mooring refuses a deployment whose instances, with those of all other apps, declare more than a host has. Old and new "
            "ones that run side by side during a deployment share them. In containers and under systemd the kernel lets no instance "
            "have more. Of processes of the controller's own machine the sum is checked and nothing holds them to it; the plan says so.",
            default_text="not declared",
            example="[processes.web]\ncpus = 0.5",
        ),
        Key(
            path="processes.NAME.path",
            kind=Text(
                noun="a path",
                pattern=_PREFIX,
                rule="a path begins with /, ends without one, and holds no //, no .., no spaces, no ? and no #",
            ),
            summary="the URL prefix that is routed to it",
            text="The longest prefix that fits a request wins. A process type with a path is routed, whatever its name.",
            default="/",
            example='[processes.api]\npath = "/api"',
        ),
        Key(
            path="processes.NAME.routed",
            kind=Flag(),
            summary="whether it gets requests",
            text="A routed process gets a `$PORT` to listen on, and is asked over HTTP whether it is ready.",
            default_text="true for `web` and for any with a `path`, else false",
            example="[processes.web]\nrouted = true",
        ),
        Key(
            path="processes.NAME.stop_signal",
            kind=STOP_SIGNAL,
            summary="the signal that asks it to end",
            text="What has not ended `deploy.kill_timeout` later is killed.",
            default="TERM",
            example='[processes.worker]\nstop_signal = "INT"',
        ),
    ),
)
