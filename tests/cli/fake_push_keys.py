"""The part of the fake platform that knows keys that may push."""

from __future__ import annotations

from collections.abc import Sequence

from mooring.errors import NotFound
from mooring.model.names import app_name
from mooring.model.push_key import PushKey, push_key_name
from mooring.model.push_key import public_key as parsed


class FakePushKeys:
    def __init__(self) -> None:
        self.may_push: dict[str, PushKey] = {}

    def push_keys(self) -> tuple[PushKey, ...]:
        return tuple(self.may_push.values())

    def add_push_key(self, name: str, public_key: str, *, apps: Sequence[str] = ()) -> PushKey:
        key = parsed(public_key)
        made = PushKey(name=push_key_name(name), kind=key.kind, fingerprint=key.fingerprint, apps=tuple(app_name(app) for app in apps))
        self.may_push[name] = made
        return made

    def remove_push_key(self, name: str) -> PushKey:
        if name not in self.may_push:
            raise NotFound(f"there is no key {name!r}")
        return self.may_push.pop(name)
