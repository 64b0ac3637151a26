"""The keys of an accessory: a long-lived program beside the app. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import HOST_NAME, REGION_NAME, VARIABLE_NAME
from mooring.manifest.keys.processes import COMMAND, STOP_SIGNAL
from mooring.manifest.kinds.numbers import Duration, Size, Whole
from mooring.manifest.kinds.texts import ListOf, Text

_IMAGE = r"\A[a-z0-9](?:[A-Za-z0-9._:/@-]{0,253}[A-Za-z0-9])?\Z"
_FOLDER = r"\A/(?!.*//)(?!.*/\.{1,2}(?:/|$))[A-Za-z0-9._/-]{1,199}(?<!/)\Z"
_ADDRESS = r"\A[\x21-\x7e]{1,2000}\Z"
_PATH = r"\A/[\x21\x22\x24-\x7e]{0,999}\Z"

ACCESSORIES = Section(
    path="accessories.NAME",
    noun="an accessory",
    summary="a long-lived program beside the app, such as a cache or a queue, that no deployment of the app restarts",
    text="`mooring deploy` starts one that is missing, before the app, and leaves one that there is alone; what it would change, it says, "
    "and `mooring accessory apply NAME` does it. An accessory is one program with one port, which stays the same, on a loopback or private "
    "address, and keeps a volume that outlives it. The app finds it by NAME_HOST and NAME_PORT (of `redis`: REDIS_HOST, REDIS_PORT) and, "
    "where `url` is said, by NAME_URL; variables of the app's own of the same names go over them.",
    keys=(
        Key(
            path="accessories.NAME.image",
            kind=Text(noun="an image", pattern=_IMAGE, rule="an image is named like redis:7 or registry.example/cache@sha256:…"),
            summary="the image it runs, on a host with a container engine",
            text="A tag means what it meant when it was first fetched; a digest says it for ever. It runs without capabilities, nothing is "
            "writable but /tmp and its volume, and it is not root.",
            example='[accessories.redis]\nimage = "redis:7"\nport = 6379\nvolume = "/data"',
            fix='write it like image = "redis:7"',
        ),
        Key(
            path="accessories.NAME.command",
            kind=COMMAND,
            summary="the shell line that starts it, on the controller's machine or a host with systemd",
            text="It must listen on `$HOST` and `$PORT`, and starts in its volume, which `$VOLUME` names. With an `image` it runs in that.",
            default_text="the image's own",
            example='[accessories.redis]\ncommand = "redis-server --bind $HOST --port $PORT --dir $VOLUME"',
        ),
        Key(
            path="accessories.NAME.port",
            kind=Whole(noun="a port", least=1, most=65535),
            summary="the port that it listens on in its container",
            text="Where it is reached from outside Mooring chooses. A `command` without an image is told its port by `$PORT` instead.",
            default_text="the one port that the image names, else `$PORT`",
            example='[accessories.redis]\nimage = "redis:7"\nport = 6379',
        ),
        Key(
            path="accessories.NAME.volume",
            kind=Text(
                noun="a folder", pattern=_FOLDER, rule="a folder here is an absolute path, without . or .., and without a / at its end"
            ),
            summary="where in its container the volume stands",
            text="A `command` without an image always has one. `mooring accessory rm` keeps it, unless `--volume` is said.",
            default_text="a container keeps nothing",
            example='[accessories.redis]\nimage = "redis:7"\nvolume = "/data"',
        ),
        Key(
            path="accessories.NAME.host",
            kind=HOST_NAME,
            summary="the host that it runs on; `local` is the controller's machine",
            default_text="beside the app's first instance, when it is first started",
            example='[accessories.redis]\nimage = "redis:7"\nhost = "data-1"',
        ),
        Key(
            path="accessories.NAME.region",
            kind=REGION_NAME,
            summary="the region it runs in, on whichever of its hosts has the least declared memory when it is first started",
            example='[accessories.redis]\nimage = "redis:7"\nregion = "eu"',
        ),
        Key(
            path="accessories.NAME.memory",
            kind=Size(least=1_000_000),
            summary="the memory that it may use",
            text="As `processes.NAME.memory`.",
            default_text="not declared",
            example='[accessories.redis]\nimage = "redis:7"\nmemory = "256MB"',
        ),
        Key(
            path="accessories.NAME.env.VARIABLE",
            kind=Text(noun="a variable", may_be_empty=True),
            summary="one plain variable of it; always text",
            example='[accessories.search]\nimage = "getmeili/meilisearch:v1.11"\n\n[accessories.search.env]\nMEILI_ENV = "production"',
        ),
        Key(
            path="accessories.NAME.secrets",
            kind=ListOf(item=VARIABLE_NAME, noun="names of secrets"),
            summary="secrets that are made up for it, each once, and that it finds as variables",
            text="They are kept, encrypted, as long as its volume is. The app gets them by `url` alone.",
            example='[accessories.search]\nimage = "getmeili/meilisearch:v1.11"\nsecrets = ["MEILI_MASTER_KEY"]',
        ),
        Key(
            path="accessories.NAME.url",
            kind=Text(noun="an address", pattern=_ADDRESS, rule="an address holds 1-2000 visible characters of ASCII, and no spaces"),
            summary="what the app finds as NAME_URL",
            text="{address} and {port} stand for where it listens, the name of one of its secrets in braces for that secret. The whole is "
            "a secret of the app's.",
            example='[accessories.redis]\nimage = "redis:7"\nsecrets = ["REDIS_PASSWORD"]\nurl = "redis://:{REDIS_PASSWORD}@{address}:{port}/0"',
        ),
        Key(
            path="accessories.NAME.health.path",
            kind=Text(noun="a path", pattern=_PATH, rule="a path begins with / and holds no spaces and no #"),
            summary="ask over HTTP: this page has to answer with a status below 400",
            default_text="asked is only whether its port takes connections",
            example='[accessories.search]\nimage = "getmeili/meilisearch:v1.11"\n\n[accessories.search.health]\npath = "/health"',
        ),
        Key(
            path="accessories.NAME.stop_signal",
            kind=STOP_SIGNAL,
            summary="the signal that asks it to end",
            default="TERM",
            example='[accessories.queue]\nimage = "nats:2"\nstop_signal = "INT"',
        ),
        Key(
            path="accessories.NAME.kill_timeout",
            kind=Duration(least=0, most=3600),
            summary="how long it may take to end before it is killed",
            default=30.0,
            example='[accessories.queue]\nimage = "nats:2"\nkill_timeout = "2m"',
        ),
    ),
)
