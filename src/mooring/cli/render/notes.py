"""What a promoted release brings, in lines. Must not: ask git."""

from __future__ import annotations

from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.model.promotion import History, Notes


def note_lines(notes: Notes | None, *, width: int | None) -> list[Line]:
    """Indented; the commits newest first, below what there is to say of the history."""
    if notes is None:
        return [_said("without notes")]
    rows = [row for each in notes.commits for row in hanging((Span("  "), Span(f"{each.id[:7]} ", Style.DIM)), each.subject, width=width)]
    more = notes.brought - len(notes.commits)
    return [
        *(row for text in _history(notes) for row in hanging(line("  "), text, width=width, style=Style.DIM)),
        *rows,
        *([_said(f"and {_counted(more)} before those")] if more > 0 else []),
    ]


def _history(notes: Notes) -> list[str]:
    match notes.history:
        case History.FIRST:
            return ["nothing ran there before: this is its first release"]
        case History.UNKNOWN:
            where = f"v{notes.since}, which ran there, came from no commit of this clone: its history was rewritten, or it is another's"
            return [f"what it brings cannot be told: {where}"]
        case History.KNOWN if notes.brought and notes.left:
            return [f"{_counted(notes.left)} of v{notes.since}, which ran there, {_does(notes.left)} not come along: the histories parted"]
        case History.KNOWN if notes.left:
            return [f"goes back by {_counted(notes.left)} from v{notes.since}, which ran there"]
        case History.KNOWN if not notes.brought:
            return [f"no commits between: v{notes.since}, which ran there, is of the same one"]
        case _:
            return [f"since v{notes.since}, which ran there:"]


def _counted(count: int) -> str:
    return f"{count} commit{'' if count == 1 else 's'}"


def _does(count: int) -> str:
    return "does" if count == 1 else "do"


def _said(text: str) -> Line:
    return line(Span(f"  {text}", Style.DIM))
