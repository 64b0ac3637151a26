"""The keys at the top, and the variables. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import APP_NAME, HOSTNAME, VARIABLE_NAME
from mooring.manifest.kinds.texts import Choice, ListOf, Text

_BRANCH = r"\A(?![-/.])(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|\Z)))[^\x00-\x20\x7f~^:?*\[\\]{1,200}(?<![/.])\Z"

TOP = Section(
    path="",
    noun="the file",
    summary="what the app is called, where it answers, what runs before traffic moves",
    keys=(
        Key(
            path="app",
            kind=APP_NAME,
            summary="the app's name",
            text="It is part of the default hostname and of every command's `--app`. Without it the folder's name is taken. "
            "It cannot differ between environments.",
            default_text="the folder's name",
            example='app = "shop"',
        ),
        Key(
            path="hostnames",
            kind=ListOf(item=HOSTNAME, noun="hostnames"),
            summary="the names under which the edge answers for the app",
            text="The first one is also the Host header of health checks. `*.example.com` takes every name one level below. "
            "The list at the top belongs to production alone, so that no other environment can take production's names away from it; "
            "give others their own under `[environments.NAME]`.",
            default_text="`APP.localhost`; `APP--ENVIRONMENT.localhost` outside production",
            example='hostnames = ["shop.example.com", "www.shop.example.com"]',
        ),
        Key(
            path="release",
            kind=Text(noun="a release command", may_be_empty=True),
            summary="the command that runs once per release, before traffic moves",
            text="For migrations and the like. It runs on the new artifact with the new config; when it fails, the deployment fails "
            "and the old release serves on. The Procfile's `release:` line says the same; this key goes over it, and an empty text "
            "turns it off.",
            default_text="the Procfile's `release:` line",
            example='release = "python manage.py migrate"',
        ),
        Key(
            path="branch",
            kind=Text(noun="a branch", pattern=_BRANCH, rule="a branch is named as git names it, such as main or team/next"),
            summary="the branch whose pushes deploy the environment",
            text="By `git push mooring` or by a forge's word. The one at the top is production's alone; give others their own under "
            "`[environments.NAME]`. An environment without a branch is deployed by hand.",
            default_text="`main` and `master` for production",
            example='branch = "main"',
        ),
        Key(
            path="requires_checks",
            kind=ListOf(item=Text(noun="a check", longest=200), noun="checks"),
            summary="the forge's checks that a commit has to pass before it is deployed",
            text="By the names that the forge shows beside a commit. While one has not ended, the commit waits; when one fails, it is not "
            "deployed. Only for what a forge tells: `mooring deploy` and `git push mooring` wait for nobody.",
            example='requires_checks = ["test", "lint"]',
        ),
        Key(
            path="runtime",
            kind=Choice(noun="a runtime", options=("process", "systemd", "docker")),
            summary="how its hosts have to run it",
            text="Each host runs things in one way, chosen when it is added. With this key only hosts of that kind are used.",
            default_text="however the hosts of its regions do",
            example='runtime = "process"',
        ),
    ),
)

ENV = Section(
    path="env",
    noun="the set of variables",
    summary="plain variables that every process of the app gets in its environment",
    text="Not for secrets: this file is part of the source. `mooring config set` and `mooring secret set` go over these. "
    "`PORT` cannot be set: each instance gets one of its own.",
    keys=(
        Key(
            path="env.VARIABLE",
            kind=Text(noun="a variable", may_be_empty=True),
            summary="one variable; always text",
            text="Numbers and flags need quotes, because a process sees nothing but text.",
            example='[env]\nLOG_LEVEL = "info"\nWEB_CONCURRENCY = "2"',
        ),
    ),
)

SECRETS = Section(
    path="secrets",
    noun="a table about secrets",
    summary="how secrets reach the app; their values are set with `mooring secret set`, never here",
    text="A secret is a variable of each process's environment, unless it is named here.",
    keys=(
        Key(
            path="secrets.files",
            kind=ListOf(item=VARIABLE_NAME, noun="names of secrets"),
            summary="secrets that processes read from a file",
            text="For keys, certificates and whatever holds bytes that no environment can carry. Each process finds the path in "
            "`NAME_FILE`, as in images of Docker, and the value not in its environment. The file holds the value byte for byte, is "
            "readable by its owner alone, lies outside the release and goes with the process. The release command and `mooring run` "
            "find it too.",
            default_text="none: every secret is a variable",
            example='[secrets]\nfiles = ["TLS_KEY"]',
        ),
    ),
)
