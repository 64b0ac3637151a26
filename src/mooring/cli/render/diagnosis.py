"""Why an instance is not ready, for a person: cause and remedy first, then everything that was seen. Must not: guess."""

from __future__ import annotations

from itertools import groupby

from mooring.cli.render.receipt import labelled, latency
from mooring.cli.render.styled import Line, Span, Style, line, verbatim
from mooring.model.health import Diagnosis, ProbeResult


def diagnosis_lines(diagnosis: Diagnosis, *, width: int | None) -> list[Line]:
    """Everything known about one instance that did not become, or stay, ready."""
    return [
        line(Span(diagnosis.instance, Style.STRONG), Span(f"  {_state(diagnosis)}", Style.DIM)),
        *labelled("likely cause", diagnosis.likely_cause, width=width),
        *(labelled("what to do", diagnosis.hint, width=width) if diagnosis.hint else []),
        *_probes(diagnosis.probes, width=width),
        *_listening(diagnosis, width=width),
        *_ending(diagnosis, width=width),
        *_log(diagnosis, width=width),
    ]


def _state(diagnosis: Diagnosis) -> str:
    times = f", restarted {diagnosis.restarts} time{'s' if diagnosis.restarts != 1 else ''}" if diagnosis.restarts else ""
    return f"{diagnosis.process_state}{times}"


def _probes(probes: tuple[ProbeResult, ...], *, width: int | None) -> list[Line]:
    rows: list[Line] = []
    for _, alike in groupby(probes, key=lambda probe: (probe.path, probe.status, probe.said, probe.passed)):
        same = list(alike)
        times = f" ({len(same)} times)" if len(same) > 1 else ""
        slowest = max(same, key=lambda probe: probe.latency)
        rows += labelled("" if rows else "probes", f"{probe_words(slowest)}{times}", width=width)
    return rows


def probe_words(probe: ProbeResult) -> str:
    """`GET /up → 503 in 12 ms: database is locked`, or `no answer` where none came."""
    if not probe.path and not probe.status and probe.said:
        return probe.said  # nobody could be asked
    asked = f"GET {probe.path}" if probe.path.startswith("/") else probe.path or "asked"
    answer = str(probe.status) if probe.status else ("ok" if probe.passed else "no answer")
    return f"{asked} → {answer} in {latency(probe.latency)}" + (f": {probe.said}" if probe.said else "")


def _listening(diagnosis: Diagnosis, *, width: int | None) -> list[Line]:
    if not diagnosis.port:
        return []
    where = ", ".join(_address(socket.address, socket.port) for socket in diagnosis.listening) or "nowhere"
    return labelled("listens on", f"{where} (it was given PORT={diagnosis.port})", width=width)


def _address(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _ending(diagnosis: Diagnosis, *, width: int | None) -> list[Line]:
    memory = " (it used more memory than it may)" if diagnosis.is_out_of_memory else ""
    if diagnosis.signal:
        return labelled("ended by", f"signal {diagnosis.signal}{memory}", width=width)
    if diagnosis.exit_code is not None:
        return labelled("exit code", f"{diagnosis.exit_code}{memory}", width=width)
    return []


def _log(diagnosis: Diagnosis, *, width: int | None) -> list[Line]:
    count = len(diagnosis.last_lines)
    if not count:
        return labelled("log", "it has written nothing", width=width)
    rows = [row for text in diagnosis.last_lines for row in verbatim(text, width=width)]
    return [line(Span(f"  its last {f'{count} lines' if count > 1 else 'line'}", Style.DIM)), *rows]
