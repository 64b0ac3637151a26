"""`mooring explain KEY`: a row of the table as plain text. Must not: know more than the table."""

from __future__ import annotations

from mooring.errors import NotFound
from mooring.manifest import wording
from mooring.manifest.keys.key import Key, Section
from mooring.manifest.keys.table import ENVIRONMENTS, KEYS, SECTIONS, pattern_of


def explain(key: str = "") -> str:
    """Text for a key (`deploy.bake`, `processes.web.count`), a table (`deploy`), or everything. Raises NotFound with a suggestion."""
    asked = key.strip().strip("[].")
    if not asked:
        return "\n\n".join(_section(section) for section in SECTIONS)
    if asked in ("environments", "environments.NAME"):
        return f"[environments.NAME] — {ENVIRONMENTS.summary}\n\n{_wrapped(ENVIRONMENTS.text)}"
    pattern = pattern_of(asked) or asked
    if pattern in KEYS:
        return _key(KEYS[pattern])
    below = [section for section in SECTIONS if section.path and (section.path == pattern or section.path.startswith(f"{pattern}."))]
    if below:
        return "\n\n".join(_section(section) for section in below)
    raise NotFound(f"there is no key {wording.shown(asked)} in mooring.toml", hint=_meant(asked))


def _key(key: Key) -> str:
    lines = [f"{key.path} — {key.summary}", "", f"type: {key.kind.word}", f"default: {key.said_default.replace('`', '')}"]
    if key.text:
        lines += ["", _wrapped(key.text)]
    return "\n".join([*lines, "", "example:", *(f"    {line}" for line in key.example.splitlines())])


def _section(section: Section) -> str:
    title = f"[{section.path}]" if section.path else "at the top of the file"
    width = max(len(key.path) for key in section.keys)
    rows = [f"    {key.path:<{width}}  {key.summary}" for key in section.keys]
    text = ["", _wrapped(section.text)] if section.text else []
    return "\n".join([f"{title} — {section.summary}", *text, "", *rows])


def _meant(asked: str) -> str:
    last = asked.rpartition(".")[2]
    words = {path.rpartition(".")[2] for path in KEYS}
    close = last if last in words else wording.suggestion(asked, KEYS) or wording.suggestion(last, words)
    if close is None:
        return "`mooring explain` without a key lists them all"
    options = [path for path in KEYS if close in (path, path.rpartition(".")[2])]
    return f"did you mean {' or '.join(f'`{path}`' for path in options[:4])}?"


def _wrapped(text: str) -> str:
    lines, line = list[str](), ""
    for word in text.replace("`", "").split():
        if line and len(line) + len(word) > 78:
            lines.append(line)
            line = ""
        line = f"{line} {word}".lstrip()
    return "\n".join([*lines, line])
