"""Problem documents (RFC 9457) and the errors they stand for: the same class is raised here as on the server.

Must not: lose the code of an error that a newer server knows and this client does not.
"""

from __future__ import annotations

import msgspec

from mooring.errors import ManifestInvalid, MooringError, NeedsPerson, Refused
from mooring.model.problem import Problem

CONTENT_TYPE = "application/problem+json"


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457 with Mooring's members: `code` is the error's stable name, `hint` what to do, `where` a file:line or an object's name."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    hint: str = ""
    where: str = ""
    exit_code: int = 0
    problems: tuple[Problem, ...] = ()


def document_of(error: MooringError, *, instance: str) -> ProblemDocument:
    """`instance` is the path that was asked for."""
    problems = error.problems if isinstance(error, ManifestInvalid) else ()
    return ProblemDocument(
        type=f"urn:mooring:problem:{error.code}",
        title=error.code.replace("-", " ").capitalize(),
        status=error.status,
        detail=error.message,
        instance=instance,
        code=error.code,
        hint=error.hint,
        where=error.where,
        exit_code=error.exit_code,
        problems=tuple(problem for problem in problems if isinstance(problem, Problem)),
    )


def error_of(body: bytes, *, status: int) -> MooringError:
    """The error that a failed answer stands for, whatever its body is."""
    try:
        document = msgspec.json.decode(body, type=ProblemDocument)
    except msgspec.MsgspecError:
        return NeedsPerson(
            f"the platform answered with HTTP status {status} and no explanation", hint="is this address a Mooring platform?"
        )
    if document.code == ManifestInvalid.code:
        return ManifestInvalid(document.problems)
    kind = _classes().get(document.code) or (Refused if document.status < 500 else NeedsPerson)
    return kind(document.detail, hint=document.hint, where=document.where)


def _classes() -> dict[str, type[MooringError]]:
    """Those of mooring.errors by their code: a part's own subclass has the code of what it is to everybody else."""
    found: dict[str, type[MooringError]] = {}
    waiting: list[type[MooringError]] = [MooringError]
    while waiting:
        kind = waiting.pop()
        if kind.__module__ == MooringError.__module__:
            found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found
