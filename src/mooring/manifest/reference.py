"""The reference page of the manifest, made from the table. Must not: describe a key that the table does not have."""

from __future__ import annotations

from mooring.manifest.files.text import LARGEST
from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.table import ENVIRONMENTS, SECTIONS

_BEGINNING = f"""\
# The manifest

<!-- Made from the table of keys in src/mooring/manifest/keys: change it there. -->

Mooring reads up to four files at the top of an app's source, and needs none of them but a way to know what to run:
`mooring.toml`, `Procfile`, `app.json` and `.python-version`. Each is UTF-8 and at most {LARGEST:,} bytes long.

Every key of `mooring.toml` may be left out. An unknown key is an error. All problems are reported at once,
each with its file, its line and the fix.
`mooring explain KEY` prints what stands here; editors can check the file as you type with [mooring.schema.json](mooring.schema.json):

```toml
#:schema ./mooring.schema.json
```

## Where a value comes from

Later ones go over earlier ones, key by key. `mooring config show --origin` says for each value which it was.

1. the defaults below
2. what the builder offers to run, where there is no `Procfile`
3. `app.json`
4. `Procfile` and `.python-version`
5. `mooring.toml`
6. `[environments.NAME]` in `mooring.toml`
7. variables set by `mooring config set` and `mooring secret set`

A question about health (`path`, `paths`, `tcp`, `command`) goes over any other that comes earlier in this list.

## Quantities

A *duration* is text such as `"500ms"`, `"30s"`, `"2m"` or `"1h30m"`; a bare number is seconds.
A *size* is text such as `"256MB"` (powers of 1000) or `"1GiB"` (powers of 1024); a bare number is bytes.
"""

_ENDING = """\
## Procfile

One process type per line, as on Heroku: a name, a colon, a shell line. Blank lines and lines that begin with `#` are passed over.

```
# what runs
web: gunicorn --bind 0.0.0.0:$PORT shop:app
worker: python -m shop.worker
release: python manage.py migrate
```

`release` is the release command. `web` gets the requests; a Procfile without `web` is allowed, and nothing of it is routed.
A process type that is called nearly `web` is taken for a slip, unless `routed` is set for it.

## app.json

Of Heroku's and Dokku's file these parts are used; the rest belongs to other tools and is passed over, with a note where it matters.

| part | becomes |
|---|---|
| `env.NAME` as text, or its `value` | `env.NAME` |
| `env.NAME` without a value, unless `required` is `false` | a variable that has to be set before the first deployment |
| `env.NAME.generator: "secret"` | a secret of 64 hexadecimal digits, made up once where nobody has set it |
| `formation.NAME.quantity` | `processes.NAME.count` |
| `scripts.dokku.predeploy`, `scripts.release` | `release` |
| `healthchecks.NAME` | `processes.NAME.health.CHECK`, by their `type` |

Of a health check `path`, `command`, `listening` (as `tcp`) and `timeout` are used; `wait` (as `interval`) and `attempts` (as `failures`)
only where it is not one of startup: Mooring asks often then, and until `deploy.healthy_deadline`.

Where both a script and the Procfile have a release command, Mooring asks for a decision: `release` in `mooring.toml`.

## .python-version

The first line that is no comment, such as `3.12` or `3.12.4`, is `build.python_version`.
"""


def reference_page() -> str:
    """The page in Markdown."""
    sections = [*(_section(section) for section in SECTIONS), _environments()]
    return "\n".join([_BEGINNING, *sections, _ENDING])


def _section(section: Section) -> str:
    title = f"`[{section.path}]`" if section.path else "At the top"
    lines = [f"## {title}", "", _sentence(section.summary)]
    if section.text:
        lines += ["", section.text]
    return "\n".join([*lines, "", *(_key(key) for key in section.keys)])


def _environments() -> str:
    example = '```toml\n[environments.staging]\nhostnames = ["staging.example.com"]\n\n[environments.staging.processes.web]\ncount = 1\n```'
    title = f"## `[{ENVIRONMENTS.path}]`"
    return "\n".join([title, "", _sentence(ENVIRONMENTS.summary), "", ENVIRONMENTS.text, "", example, ""])


def _key(key: Key) -> str:
    default = key.said_default if key.default_text or key.default is None else f"`{key.said_default}`"
    lines = [f"### `{key.path}`", "", _sentence(key.summary), "", f"Type: {key.kind.word}. Default: {default}.", ""]
    if key.text:
        lines += [key.text, ""]
    return "\n".join([*lines, "```toml", key.example, "```", ""])


def _sentence(summary: str) -> str:
    return f"{summary[0].upper()}{summary[1:]}."
