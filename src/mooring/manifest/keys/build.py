"""The keys of building. Must not: read a file."""

from __future__ import annotations

from mooring.manifest.keys.key import Key, Section
from mooring.manifest.kinds.numbers import Duration, Size
from mooring.manifest.kinds.texts import Choice, Text
from mooring.model.build import BuildLimits

BUILDERS = ("python", "node", "static", "procfile")
PYTHON_VERSION = r"\A3\.[0-9]{1,2}(?:\.[0-9]{1,2})?\Z"
_FOLDER = r"\A(?!/)(?!.*(?:^|/)\.\.(?:/|$))[^\x00-\x1f\x7f\\]{1,200}\Z"
_FOLDER_RULE = "a folder is named from the top of the source, without a leading / and without .."
_LIMITS = BuildLimits()

BUILD = Section(
    path="build",
    noun="the build",
    summary="how the source becomes something that can run",
    text="A build never sees the app's secrets. Mooring finds the builder by itself and says in the build log why it chose it.",
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
            kind=Text(noun="a folder", pattern=_FOLDER, rule=_FOLDER_RULE),
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
            kind=Text(noun="a folder", pattern=_FOLDER, rule=_FOLDER_RULE),
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
