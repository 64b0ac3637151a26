"""What can be asked about the accessories of one environment. Must not: render, or retry what may act twice."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from mooring.client.asking import Asking
from mooring.engine.orders import Preview
from mooring.model.deployment import Deployment
from mooring.model.instance import LogLine
from mooring.usecases.answers import AccessoryChange, AccessoryStatus
from mooring.usecases.requests import AccessoryRequest, AccessoryVerb, PlanAccessory


class Accessories:
    """`path` is where the environment's are asked for."""

    def __init__(self, ask: Asking, path: str) -> None:
        self._ask = ask
        self._path = path

    def all(self) -> tuple[AccessoryStatus, ...]:
        return self._ask.get(self._path, tuple[AccessoryStatus, ...])

    def change(self, name: str, verb: AccessoryVerb, *, key: str = "") -> AccessoryChange:
        return self._ask.send("POST", self._of(name), AccessoryChange, AccessoryRequest(order=verb), key=key)

    def plan(self, name: str, request: PlanAccessory) -> Preview:
        return self._ask.send("POST", f"{self._of(name)}/plan", Preview, request)

    def remove(self, name: str, *, is_volume_removed: bool, key: str = "") -> Deployment:
        return self._ask.order("DELETE", self._of(name), None, key=key, query={"volume": is_volume_removed})

    def logs(self, name: str, *, lines: int = 100, follow: bool = False) -> Iterator[LogLine]:
        """History first; with `follow` until the iterator is closed."""
        return self._ask.log_lines(f"{self._of(name)}/logs", {}, lines=lines, follow=follow)

    def _of(self, name: str) -> str:
        return f"{self._path}/{quote(name, safe='')}"
