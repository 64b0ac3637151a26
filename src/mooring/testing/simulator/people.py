"""The people of a story: what they ask of the controller, and how they take its answers. Must not: give up while nothing is certain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context

from mooring.engine.orders import DestroyOrder, Order, RestartOrder, RollbackOrder, ScaleOrder
from mooring.errors import DriverError, MooringError
from mooring.model.environment import EnvironmentId
from mooring.model.names import ProcessName
from mooring.testing.platform import Crash, FakePlatform
from mooring.testing.simulator import app
from mooring.testing.simulator.story import Setting, What


class People:
    """`waiting`: orders that will be asked again. `destroyers`: of which environments somebody has asked the destruction."""

    def __init__(self, platform: FakePlatform, setting: Setting) -> None:
        self.waiting = 0
        self.destroyers: set[EnvironmentId] = set()
        self._platform = platform
        self._setting = setting

    def ask(self, environment: EnvironmentId, what: What, pick: int, *, by: str) -> None:
        """Again, where the controller was away or could not write it down; a refusal is taken as an answer."""

        def again() -> None:
            self.waiting -= 1
            self.ask(environment, what, pick, by=by)

        try:
            if self._platform.is_up:
                self._submit(environment, what, pick, by=by)
                return
        except DriverError:
            pass
        except (MooringError, Crash):
            return  # refused; or it died over it, and nobody knows whether it was taken: the records do
        self.waiting += 1
        later(1.0, again)

    def cancel(self, environment: EnvironmentId) -> None:
        """Whatever is newest, in whatever state it is."""
        newest = self._platform.memory.deployments(environment, limit=1)
        if newest and self._platform.is_up:
            try:
                self._platform.abort(newest[0].id)
            except (MooringError, Crash):
                return

    def _submit(self, environment: EnvironmentId, what: What, pick: int, *, by: str) -> None:
        if what is What.DESTROY:
            self.destroyers.add(environment)
        self._platform.submit(environment, self._order(what, pick), by=by)

    def _order(self, what: What, pick: int) -> Order:
        match what:
            case What.DEPLOY:
                kind = app.kind_of(pick)
                return self._platform.order(app.tree(self._setting, kind, weight=1 + pick // 2 % 2), commit=kind)
            case What.SCALE:
                return ScaleOrder(counts={ProcessName("web"): 1 if self._setting.is_web_single else 1 + pick // 2 % 3})
            case What.RESTART:
                return RestartOrder()
            case What.ROLLBACK:
                return RollbackOrder()
        return DestroyOrder()


def later(seconds: float, act: Callable[[], None]) -> None:
    """As nobody's: whatever controller lives by then."""
    asyncio.get_running_loop().call_later(seconds, act, context=Context())
