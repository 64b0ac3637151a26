"""How a deployment ended, told from its record alone: verdict, diagnoses, what serves now, receipt. Must not: say what it does not hold."""

from __future__ import annotations

from mooring.cli.render.diagnosis import diagnosis_lines
from mooring.cli.render.receipt import receipt_lines
from mooring.cli.render.styled import Line, Span, Style, hanging, line
from mooring.model.deployment import Deployment, Outcome, Revision, Trigger
from mooring.model.quantity import format_duration

_VERDICTS = {
    Outcome.FAILED: "failed",
    Outcome.REVERTED: "was taken back",
    Outcome.ABORTED: "was aborted",
    Outcome.SUPERSEDED: "was superseded by a newer one",
    Outcome.NEEDS_PERSON: "stopped and needs a person",
}


def ending_lines(deployment: Deployment, *, width: int | None) -> list[Line]:
    """All that is said when a deployment has ended."""
    if deployment.outcome is None:
        return [line(f"{deployment.environment}: {deployment.id} goes on")]
    if deployment.outcome is Outcome.SUCCEEDED:
        return [*_success(deployment, width=width), *_receipt(deployment, width=width)]
    return [*_failure(deployment, width=width), *_diagnoses(deployment, width=width), *_now(deployment, width=width)]


def _success(deployment: Deployment, *, width: int | None) -> list[Line]:
    receipt = deployment.receipt
    if deployment.trigger is Trigger.DESTROY:
        return _verdict("✓ ", f"{deployment.environment} is destroyed", Style.SUCCESS, width=width)
    seconds = f" in {format_duration(receipt.seconds)}" if receipt else ""
    if receipt is None or receipt.failed == 0:
        serving = _emptied(deployment) or (f"v{receipt.serving_release} serves" if receipt else "is serving")
        return _verdict("✓ ", f"{deployment.environment} {serving}{seconds}{_way(deployment)}", Style.SUCCESS, width=width)
    count = f"{receipt.failed} request{'s' if receipt.failed != 1 else ''} failed"
    said = f"{deployment.environment} v{receipt.serving_release} serves, but {count} on the way{_way(deployment)}"
    return _verdict("✗ ", said, Style.FAILURE, width=width)


def _emptied(deployment: Deployment) -> str:
    """Of what was scaled to nothing, which serves nobody."""
    counts = deployment.target.counts if deployment.target and deployment.trigger is Trigger.SCALE else {}
    none = [f"{process}=0" for process, count in counts.items() if not count]
    if not none:
        return ""
    return "is stopped" if deployment.environment.accessory else f"runs with {', '.join(none)}"


def _way(deployment: Deployment) -> str:
    receipt = deployment.receipt
    if receipt is None or receipt.from_release == receipt.to_release:
        return ""
    return f" ({f'v{receipt.from_release}' if receipt.from_release else 'nothing'} → v{receipt.to_release})"


def _failure(deployment: Deployment, *, width: int | None) -> list[Line]:
    assert deployment.outcome is not None
    style = Style.WARN if deployment.outcome in (Outcome.SUPERSEDED, Outcome.ABORTED) else Style.FAILURE
    rows = _verdict("✗ ", f"{deployment.environment}: {deployment.id} {_VERDICTS[deployment.outcome]}", style, width=width)
    if deployment.error:
        rows += hanging(line("  "), deployment.error, width=width)
    if deployment.hint:
        rows += hanging(line(Span("  → ", Style.ACCENT)), deployment.hint, width=width)
    return rows


def _diagnoses(deployment: Deployment, *, width: int | None) -> list[Line]:
    diagnoses = deployment.receipt.diagnoses if deployment.receipt else ()
    return [row for diagnosis in diagnoses for row in ((), *diagnosis_lines(diagnosis, width=width))]


def _now(deployment: Deployment, *, width: int | None) -> list[Line]:
    """What serves now, as the receipt says; nothing where there is none."""
    receipt = deployment.receipt
    if receipt is None:
        return _untouched(deployment, width=width)
    proof = [(), *receipt_lines(receipt, width=width)] if receipt.traffic.requests or receipt.probes else []
    if deployment.is_asleep and deployment.baseline is not None:
        return [*proof, (), *_asleep(deployment.baseline, width=width)]
    if not receipt.serving_release:
        return [*proof, (), *hanging((), f"No release of {deployment.environment} is serving.", width=width, style=Style.STRONG)]
    same = "The old release" if receipt.serving_release == receipt.from_release else "Release"
    verb = "is still serving" if receipt.serving_release == receipt.from_release else "is serving"
    said = f"{same} v{receipt.serving_release} {verb}."
    return [*proof, (), *hanging((), said, width=width, style=Style.SUCCESS)]


def _untouched(deployment: Deployment, *, width: int | None) -> list[Line]:
    """It ended before anything was changed, which is what FAILED and ABORTED mean without a receipt."""
    if deployment.started_at is None or deployment.outcome not in (Outcome.FAILED, Outcome.ABORTED):
        return []
    if deployment.baseline is None:
        return [(), *hanging((), f"No release of {deployment.environment} is serving.", width=width, style=Style.STRONG)]
    if deployment.is_asleep:
        return [(), *_asleep(deployment.baseline, width=width)]
    return [(), *hanging((), f"The old release v{deployment.baseline.release} is still serving.", width=width, style=Style.SUCCESS)]


def _asleep(before: Revision, *, width: int | None) -> list[Line]:
    return hanging((), f"The old release v{before.release} sleeps, and wakes when somebody comes.", width=width, style=Style.SUCCESS)


def _receipt(deployment: Deployment, *, width: int | None) -> list[Line]:
    return receipt_lines(deployment.receipt, width=width) if deployment.receipt else []


def _verdict(mark: str, text: str, style: Style, *, width: int | None) -> list[Line]:
    return hanging(line(Span(mark, style)), text, width=width, style=style)
