"""The keys of building. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.names import VARIABLE_NAME
from mooring.manifest.kinds.numbers import Duration, Size
from mooring.manifest.kinds.texts import Choice, ListOf, Text
from mooring.model.build import BuildLimits

BUILDERS = ("python", "node", "static", "dockerfile", "image", "procfile")
PYTHON_VERSION = r"\A3\.[0-9]{1,2}(?:\.[0-9]{1,2})?\Z"
FOLDER = r"\A(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\x00-\x1f\x7f\\]{1,200}\Z"
FOLDER_RULE = "a folder is named from the top of the source, without a leading / and without .."
_IMAGE = r"\A(?:[a-z0-9][A-Za-z0-9._:/-]{0,254}@)?sha256:[0-9a-f]{64}\Z"
_IMAGE_RULE = "an image is named with its digest, such as registry.example/shop@sha256:…: a tag may mean another image tomorrow"
_STAGE = r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z"
_PLATFORM = r"\Alinux/(?:amd64|arm64|arm|386|ppc64le|s390x|riscv64)\Z"
_LIMITS = BuildLimits()

BUILD = Section(
    path="build",
    noun="the build",
    summary="how the source becomes something that can run",
    text="A build sees none of the app's secrets but those that `build.secrets` names. Mooring finds the builder by itself and says in the "
    "build log why it chose it.",
    keys=(
        Key(
            path="build.builder",
            kind=Choice(noun="a builder", options=BUILDERS),
            summary="the builder, instead of the one that would be detected",
            text="`procfile` builds nothing and runs the source as it is.",
            default_text="detected",
            example='[build]\nbuilder = "python"',
        ),
        Key(
            path="build.root",
            kind=Text(noun="a folder", pattern=FOLDER, rule=FOLDER_RULE),
            summary="the folder of the source that holds the app",
            text="For a repository of several apps. A Procfile, app.json or .python-version in that folder goes before one at the top.",
            default_text="the top of the source",
            example='[build]\nroot = "services/shop"',
        ),
        Key(
            path="build.command",
            kind=Text(noun="a build command"),
            summary="the command that replaces the builder's own build step",
            text="It runs in a shell, after dependencies are installed.",
            default_text="the builder's own",
            example='[build]\ncommand = "npm run build:production"',
        ),
        Key(
            path="build.static_directory",
            kind=Text(noun="a folder", pattern=FOLDER, rule=FOLDER_RULE),
            summary="the folder that the static builder serves",
            default_text="detected",
            example='[build]\nbuilder = "static"\nstatic_directory = "public"',
        ),
        Key(
            path="build.python_version",
            kind=Text(noun="a Python version", pattern=PYTHON_VERSION, rule='a Python version is text such as "3.12" or "3.12.4"'),
            summary="the Python the app runs on",
            text="The file `.python-version` says the same; this key goes over it.",
            default_text="`.python-version`, else the builder's choice",
            example='[build]\npython_version = "3.12"',
        ),
        Key(
            path="build.image",
            kind=Text(noun="an image", pattern=_IMAGE, rule=_IMAGE_RULE),
            summary="an image that was built elsewhere, to be run as it is",
            text="For hosts with a container engine. Its own command is `web`, unless a Procfile or `[processes]` says otherwise.",
            example='[build]\nimage = "registry.example/shop@sha256:' + "0123456789abcdef" * 4 + '"',
        ),
        Key(
            path="build.dockerfile",
            kind=Text(noun="a file", pattern=FOLDER, rule=FOLDER_RULE),
            summary="the Dockerfile that describes the image",
            text="For hosts with a container engine. What stands in `build.variables` are its arguments (ARG).",
            default_text="`Dockerfile`",
            example='[build]\nbuilder = "dockerfile"\ndockerfile = "deploy/Dockerfile"',
        ),
        Key(
            path="build.target",
            kind=Text(noun="a stage", pattern=_STAGE, rule="a stage is named by letters, digits, _, . and -"),
            summary="the stage of the Dockerfile that is built",
            default_text="the last",
            example='[build]\nbuilder = "dockerfile"\ntarget = "production"',
        ),
        Key(
            path="build.secrets",
            kind=ListOf(item=VARIABLE_NAME, noun="names of secrets"),
            summary="secrets that steps of the Dockerfile may read",
            text="Each is set with `mooring secret set` and found in `/run/secrets/NAME` by a step that asks for it: "
            "`RUN --mount=type=secret,id=NAME`. It is in no layer, history or variable of the image, nor in the app's own environment "
            "(`secrets.files` gives it to the app too). Needs BuildKit. Another value builds nothing anew.",
            default_text="none",
            example='[build]\nbuilder = "dockerfile"\nsecrets = ["NPM_TOKEN"]',
        ),
        Key(
            path="build.platform",
            kind=Text(noun="a platform", pattern=_PLATFORM, rule="a platform is linux/amd64, linux/arm64 or another of Linux"),
            summary="the kind of machine that the image has to run on",
            text="Where the container engine that builds makes images for another kind, that is said before anything is built.",
            default_text="what the engine that builds makes",
            example='[build]\nbuilder = "dockerfile"\nplatform = "linux/arm64"',
        ),
        Key(
            path="build.timeout",
            kind=Duration(least=1, most=6 * 3600),
            summary="how long a build may take",
            text="A build that takes longer is ended, and the deployment fails.",
            default=_LIMITS.timeout,
            example='[build]\ntimeout = "20m"',
        ),
        Key(
            path="build.memory",
            kind=Size(least=16_000_000),
            summary="the memory that each process of a build may take",
            default=_LIMITS.memory,
            example='[build]\nmemory = "2GB"',
        ),
        Key(
            path="build.variables.VARIABLE",
            kind=Text(noun="a variable", may_be_empty=True),
            summary="one plain variable of the build; always text",
            text="Never a secret: what a build sees can end up in what it makes.",
            example='[build.variables]\nNODE_ENV = "production"',
        ),
    ),
)
