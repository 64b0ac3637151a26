"""The keys of data services. Must not: read a file, or know a server."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import ENVIRONMENT_NAME, SERVER_NAME
from mooring.manifest.kinds.texts import Choice, Text
from mooring.model.service import ServiceKind

SAY_TYPE = "add type = " + " or ".join(f'"{kind.value}"' for kind in ServiceKind)

SERVICES = Section(
    path="services.NAME",
    noun="a service",
    summary="a database or another data service of the app's own",
    text="Made by the first deployment that asks for it, before the release command runs, on a server that was added once with "
    "`mooring service add-server`. Each environment has its own, with a login that reaches nothing else. Every process finds its "
    "address in its environment; what `config set`, `secret set` or `[env]` says under the same name goes over it. It stays when "
    "it is not declared any more: `mooring service rm` removes it.",
    keys=(
        Key(
            path="services.NAME.type",
            kind=Choice(noun="a type of service", options=tuple(kind.value for kind in ServiceKind)),
            summary="what it is",
            text="It is needed, and cannot become another one later. `mysql` is MySQL or MariaDB; `redis` is Redis or Valkey; `sqlite` a "
            "file on the controller's machine, for apps that run there; `bucket` what begins with a prefix of its own in a bucket.",
            example='[services.db]\ntype = "postgres"',
        ),
        Key(
            path="services.NAME.server",
            kind=SERVER_NAME,
            summary="the server that it comes from",
            text="As `mooring service servers` lists them. One that is there already stays where it is.",
            default_text="the only one of that type",
            example='[services.db]\ntype = "postgres"\nserver = "main"',
        ),
        Key(
            path="services.NAME.from",
            kind=ENVIRONMENT_NAME,
            summary="the environment whose service it begins as a copy of",
            text="Of the same app, on the same server; the copy is made once; by PostgreSQL itself, within seconds. Nobody may be "
            "connected to PostgreSQL's source meanwhile: keep an environment for it, such as `template`, and destroy it when it is filled, "
            "which leaves its database. The environment that is named itself begins empty.",
            example='[services.db]\ntype = "postgres"\nfrom = "template"',
        ),
        Key(
            path="services.NAME.mask",
            kind=Text(noun="a mask"),
            summary="SQL that is run in a copy before anybody sees it; for redis a Lua script, for a bucket which objects are copied",
            text="As the app's own login; when it fails, there is no copy. Without one, or a `mask_command`, production is never copied. "
            "For a bucket it has lines such as `- uploads/*` (left out) and `+ uploads/demo/*` (taken); the first that fits decides.",
            example='[services.db]\ntype = "postgres"\nfrom = "production"\nmask = "UPDATE people SET email = id || \'@example.com\'"',
        ),
        Key(
            path="services.NAME.mask_command",
            kind=Text(noun="a mask command"),
            summary="a command of the new release that makes a copy fit to be seen",
            text="Run once in a new copy, after `mask` where there is both, and before anything else of the release runs. It has what the "
            "release command has, for as long (`deploy.release_timeout`); nobody else is given the copy before it has ended with 0. "
            "When it fails, so does the deployment, and the copy is gone again.",
            example='[services.db]\ntype = "postgres"\nfrom = "production"\nmask_command = "bin/rails mask"',
        ),
        Key(
            path="services.NAME.prefix",
            kind=Text(
                noun="the prefix",
                pattern=r"\A[A-Z][A-Z0-9_]{0,60}\Z",
                rule="the prefix has capitals, digits and _, a letter first, like DATABASE",
            ),
            summary="what the names of its variables begin with",
            text="`DATABASE` gives `DATABASE_URL`; `REDIS` gives `REDIS_URL` and `REDIS_PREFIX`, with which every key has to begin; "
            "`S3`, or `AWS`, all that a client of S3 needs, such as `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`. "
            "Two services of one app need different ones.",
            default_text="by its type: `REDIS` for redis, `S3` for a bucket, `DATABASE` for all others",
            example='[services.reports]\ntype = "postgres"\nprefix = "REPORTS"',
        ),
    ),
)
