"""The part of the fake platform that knows hosts, whose facts are said by their address, and registries."""

from __future__ import annotations

import msgspec

from mooring.errors import NotFound, Unavailable
from mooring.model.host import Bastion, Facts, Host, HostAddress, fingerprint
from mooring.model.names import host_id, region_name
from mooring.model.registry import Registry
from mooring.planner.hosts import budget, prepare
from mooring.testing.hosts import a_host_key
from mooring.usecases.answers import HostAdded, HostKey, HostPlan, HostStatus
from mooring.usecases.requests import HostRequest, RegistryRequest


class FakeHostDesk:
    """`found` by address; `kept` by name; `errors` why one does not answer now."""

    def __init__(self) -> None:
        self.found: dict[str, Facts] = {}
        self.kept: dict[str, Host] = {}
        self.errors: dict[str, str] = {}
        self.known_registries: dict[str, Registry] = {}
        self.passwords: dict[str, str] = {}

    def hosts(self) -> tuple[HostStatus, ...]:
        return tuple(
            HostStatus(
                host=host,
                fingerprint=host.fingerprint,
                age=90.0 if name in self.errors else 0.4,
                error=self.errors.get(name, ""),
                instances=2,
                environments=("shop/production",),
                edge_error=self.errors.get(name, "") if host.edge else "",
            )
            for name, host in sorted(self.kept.items())
        )

    def plan_host(self, request: HostRequest) -> HostPlan:
        if request.address not in self.found:
            raise Unavailable(f"{request.address} cannot be reached: no answer")
        bastion = Bastion(address=HostAddress.parse(request.bastion), host_key=request.bastion_key) if request.bastion else None
        address, facts = HostAddress.parse(request.address), self.found[request.address]
        key = request.host_key or a_host_key(request.address)
        host = Host(
            name=host_id(request.name or address.host.partition(".")[0]),
            address=address,
            runtime=request.runtime,
            host_key=key,
            region=region_name(request.region),
            labels=dict(request.labels),
            bind=request.bind or facts.address,
            memory=request.memory or budget(facts),
            edge=request.edge,
            bastion=bastion,
        )
        if bastion is not None and not bastion.host_key:
            shown = msgspec.structs.replace(bastion, host_key=a_host_key(request.bastion))
            return HostPlan(host=msgspec.structs.replace(host, bastion=shown), fingerprint="")
        if not request.host_key:
            return HostPlan(host=host, fingerprint=fingerprint(key))
        return HostPlan(host=host, fingerprint=fingerprint(key), facts=facts, preparation=prepare(host, facts, controller="c1"))

    def add_host(self, request: HostRequest) -> HostAdded:
        plan = self.plan_host(request)
        self.kept[plan.host.name] = plan.host
        return HostAdded(host=plan.host, fingerprint=plan.fingerprint, done=tuple(each.what for each in plan.preparation.steps))

    def check_host(self, name: str) -> HostPlan:
        host = self._kept(name)
        facts = self.found[str(host.address)]
        return HostPlan(host=host, fingerprint=host.fingerprint, facts=facts, preparation=prepare(host, facts, controller="c1"))

    def drain_host(self, name: str, *, is_draining: bool) -> Host:
        self.kept[name] = msgspec.structs.replace(self._kept(name), is_draining=is_draining)
        return self.kept[name]

    def remove_host(self, name: str, *, is_lost: bool = False) -> Host:
        self._kept(name)
        return self.kept.pop(name)

    def host_key(self) -> HostKey:
        return HostKey(public_key="ssh-ed25519 AAAA mooring")

    def registries(self) -> tuple[Registry, ...]:
        return tuple(self.known_registries.values())

    def add_registry(self, request: RegistryRequest) -> Registry:
        added = Registry(host=request.host, username=request.username, images=request.images)
        self.known_registries[request.host], self.passwords[request.host] = added, request.password
        return added

    def remove_registry(self, host: str) -> Registry:
        if host not in self.known_registries:
            raise NotFound(f"there is no registry {host}", hint="`mooring registry ls` lists them")
        return self.known_registries.pop(host)

    def _kept(self, name: str) -> Host:
        if name not in self.kept:
            raise NotFound(f"there is no host {name}", hint="`mooring host ls` lists them")
        return self.kept[name]
