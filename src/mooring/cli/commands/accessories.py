"""Long-lived programs beside the app. Must not: lay out lines."""

from __future__ import annotations

import click

from mooring.cli.options import DETACH, command
from mooring.cli.render.styled import line
from mooring.cli.session import Session
from mooring.usecases.requests import AccessoryVerb, PlanAccessory, PlannedVerb

_NAME = click.argument("name")
_PLAN = click.option("--plan", "is_plan", is_flag=True, help="Show what would be done and why, and do nothing.")


@command("accessory ls")
def accessory_ls_command(session: Session) -> None:
    import time

    from mooring.cli.render.accessories import accessory_lines

    found = session.client.accessories(session.environment).all()
    session.answer(found, accessory_lines(found, now=time.time(), width=session.out.width))


@command("accessory start")
@_NAME
@_PLAN
@DETACH
def accessory_start_command(session: Session, name: str, is_plan: bool, detach: bool) -> int:
    return _changed(session, name, "start", is_plan=is_plan, is_detached=detach)


@command("accessory stop")
@_NAME
@_PLAN
@DETACH
def accessory_stop_command(session: Session, name: str, is_plan: bool, detach: bool) -> int:
    return _changed(session, name, "stop", is_plan=is_plan, is_detached=detach)


@command("accessory restart")
@_NAME
@_PLAN
@DETACH
def accessory_restart_command(session: Session, name: str, is_plan: bool, detach: bool) -> int:
    return _changed(session, name, "restart", is_plan=is_plan, is_detached=detach)


@command("accessory apply")
@_NAME
@_PLAN
@DETACH
def accessory_apply_command(session: Session, name: str, is_plan: bool, detach: bool) -> int:
    return _changed(session, name, "apply", is_plan=is_plan, is_detached=detach)


@command("accessory logs")
@_NAME
@click.option("-f", "--follow", is_flag=True, help="Go on with new lines as they come, until Ctrl-C.")
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(0, 100_000), help="How many of the latest lines.")
def accessory_logs_command(session: Session, name: str, follow: bool, lines: int) -> None:
    from mooring.cli.render.log_lines import log_line

    for said in session.client.accessories(session.environment).logs(name, lines=lines, follow=follow):
        session.stream(said, [log_line(said)])


@command("accessory rm")
@_NAME
@click.option("--volume", is_flag=True, help="Remove its volume and its secrets too: there is no way back.")
@_PLAN
@DETACH
def accessory_rm_command(session: Session, name: str, volume: bool, is_plan: bool, detach: bool) -> int:
    from mooring.cli.follow import started

    if is_plan:
        return _planned(session, name, PlanAccessory(order="remove", volume=volume))
    return started(session, session.client.accessories(session.environment).remove(name, is_volume_removed=volume), is_detached=detach)


def _changed(session: Session, name: str, verb: AccessoryVerb, *, is_plan: bool, is_detached: bool) -> int:
    from mooring.cli.follow import started

    if is_plan:
        planned: PlannedVerb = verb
        return _planned(session, name, PlanAccessory(order=planned))
    change = session.client.accessories(session.environment).change(name, verb)
    if change.deployment is None:
        session.answer(change, [line(f"Nothing to do: {change.said}.")])
        return 0
    if change.said:
        session.remark(change.said)
    return started(session, change.deployment, is_detached=is_detached)


def _planned(session: Session, name: str, request: PlanAccessory) -> int:
    from mooring.cli.render.plan import plan_lines

    preview = session.client.accessories(session.environment).plan(name, request)
    session.answer(preview, plan_lines(preview, width=session.out.width))
    return 0
