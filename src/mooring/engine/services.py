"""The services that environments own: which are missing, what an app is given to reach them, and each step that changes one.

Who a login is and its password are on disk before the server hears of them: what is made can always be reached, or taken away. A password
that the server makes itself is on disk before anybody is given it.
Must not: decide when, or show a password.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from mooring.drivers.runtime.contract import Variables
from mooring.drivers.service.contract import Login, OnDisk, ServiceDriver, ServiceDrivers
from mooring.engine.contract import Clock, Memory
from mooring.engine.strangers import is_strangers_release
from mooring.errors import DriverError, InvalidInput, NotFound
from mooring.model.environment import PRODUCTION, EnvironmentId
from mooring.model.instance import Confinement
from mooring.model.lease import Mark
from mooring.model.names import EnvironmentName, ServerName, ServiceName
from mooring.model.release import Release
from mooring.model.secret import Secret
from mooring.model.service import FILES, Owned, Passwords, Piece, ServiceRecord, ServiceServer, ServiceWish, login_of
from mooring.model.steps import ProvideService, RemoveService, RestoreService, RotateService, ServiceStep, WithdrawLogins


class Services:
    """Of one controller. `changed` is told when an environment has a new password, so that it is redacted."""

    def __init__(
        self,
        memory: Memory,
        drivers: ServiceDrivers,
        clock: Clock,
        *,
        new_secret: Callable[[], Secret],
        changed: Callable[[EnvironmentId], None],
    ) -> None:
        self._memory = memory
        self._drivers = drivers
        self._clock = clock
        self._new_secret = new_secret
        self._changed = changed

    def missing(self, release: Release) -> tuple[ProvideService, ...]:
        """What has to be made before the release can run. Raises InvalidInput where no server can be it, or it is something else."""
        known = {record.piece.service: record for record in self._memory.services(release.environment)}
        _check_reach(release)
        from_nobody = is_strangers_release(self._memory, release)
        wishes = [msgspec.structs.replace(wish, source=None) if from_nobody else wish for wish in release.services]
        return tuple(
            self._step(release.environment, wish, known.get(wish.name))
            for wish in wishes
            if not self._is_there(release.environment, wish, known.get(wish.name))
        )

    async def copied_here(self, release: Release) -> int:
        """Bytes that making its services will copy onto the controller's own machine; a server that does not tell counts for nothing.

        Raises what `missing` raises.
        """
        total = 0
        for step in self.missing(release):
            if step.source is not None and self._server(step.server).is_here:
                source = self._source(release.environment, step.service, step.source, server=step.server)
                with contextlib.suppress(DriverError):
                    total += await self.driver(source).size(source.piece)
        return total

    def record(self, environment: EnvironmentId, name: ServiceName) -> ServiceRecord:
        """Raises NotFound."""
        for record in self._memory.services(environment):
            if record.piece.service == name:
                return record
        raise NotFound(f"{environment} has no service {name}", hint="`mooring service ls` lists them")

    def logins(self, record: ServiceRecord) -> tuple[Login, ...]:
        """The one that is used first."""
        passwords = self._memory.service_passwords(record.piece.environment, record.piece.service)
        return tuple(Login(name, passwords[name]) for name in sorted(passwords, key=lambda name: name != record.login))

    def rotated(self, environment: EnvironmentId) -> tuple[ServiceRecord, ...]:
        """Those with a login that is not used any more."""
        return tuple(record for record in self._memory.services(environment) if len(self.logins(record)) > 1)

    def driver(self, record: ServiceRecord) -> ServiceDriver:
        """Of the server that it is on. Raises NotFound."""
        return self.driver_of(self._server(record.server))

    def driver_of(self, server: ServiceServer, address: Secret | None = None) -> ServiceDriver:
        """Of a server, at another address than the known one where it is given. Raises NotFound, InvalidInput."""
        known = address or self._memory.service_address(server.name)
        if known is None:
            raise NotFound(f"there is no server {server.name}", hint="`mooring service servers` lists them")
        return self._drivers.driver(server, known)

    async def on_server(self, name: ServerName, environment: EnvironmentId) -> tuple[Owned, ...]:
        """What there carries the environment's mark. Raises NotFound, and what the driver raises."""
        found = await self.driver_of(self._server(name)).find_owned()
        return tuple(each for each in found if each.piece.environment == environment)

    async def orphans(self, name: ServerName) -> tuple[Owned, ...]:
        """What there carries this platform's mark and is on no record: what was lost with a memory, say, that was brought back older.

        Raises NotFound, and what the driver raises."""
        known = self._on_record()
        found = await self.driver_of(self._server(name)).find_owned()
        known |= self._on_record()  # both what is made and what is removed meanwhile
        return tuple(each for each in found if (name, each.piece) not in known)

    async def adopt(self, environment: EnvironmentId, service: ServiceName) -> ServiceRecord:
        """Put an orphan on record, so that it can be removed like any. Raises NotFound where no server that answers has one."""
        for server in self._memory.service_servers():
            for each in await self.orphans(server.name):
                if (each.piece.environment, each.piece.service) == (environment, service):
                    login, at = login_of(each.piece, 1), self._clock.wall()
                    record = ServiceRecord(piece=each.piece, kind=server.kind, server=server.name, login=login, created_at=at)
                    self._save(record, {login: self._new_secret()})
                    return record
        raise NotFound(
            f"{environment} has no service {service}", hint="`mooring service ls` and `mooring service servers` list what there is"
        )

    def _on_record(self) -> set[tuple[ServerName, Piece]]:
        return {(record.server, record.piece) for record in self._memory.services()}

    def variables(self, release: Release) -> Variables:
        """What its processes are given of its services; nothing of one that is not there, or not masked yet."""
        return self._given(release, [record for record in self._memory.services(release.environment) if record.is_ready])

    def copies(self, release: Release) -> Variables:
        """What only a mask command is given: where its copies are that are not masked yet."""
        return self._given(release, self.unmasked(release.environment))

    def unmasked(self, environment: EnvironmentId) -> tuple[ServiceRecord, ...]:
        """Its copies, made or about to be, whose mask command has not succeeded."""
        return tuple(record for record in self._memory.services(environment) if record.mask_task)

    def masked(self, environment: EnvironmentId, name: ServiceName) -> None:
        """Its mask command has succeeded: from now on it is given out. Raises NotFound."""
        passwords = self._memory.service_passwords(environment, name)
        self._save(msgspec.structs.replace(self.record(environment, name), is_ready=True, mask_task=""), passwords)

    def confinement(self, environment: EnvironmentId, *, with_copies: bool = False) -> Confinement:
        """By the files of services: the directories of all of them, and the environment's own; `with_copies`: those not masked yet, too."""
        on_disk = {each.name: driver for each in self._memory.service_servers() if isinstance(driver := self.driver_of(each), OnDisk)}
        known = [record for record in self._memory.services(environment) if with_copies or not record.mask_task]
        owned = [record for record in known if record.server in on_disk]
        return Confinement(
            hidden=tuple(driver.root for driver in on_disk.values()),
            own=tuple(on_disk[record.server].place(record.piece) for record in owned),
        )

    async def perform(self, mark: Mark, step: ServiceStep) -> None:
        """Raises what the driver raises."""
        match step:
            case ProvideService():
                await self._provide(mark, step)
            case RotateService(service=name):
                await self._rotate(mark, self.record(mark.environment, name))
            case WithdrawLogins(service=name):
                await self._withdraw(mark, self.record(mark.environment, name))
            case RemoveService(service=name):
                await self._remove(mark, self.record(mark.environment, name))
            case RestoreService(service=name, dump=dump):
                record = self.record(mark.environment, name)
                await self.driver(record).restore(mark, record.piece, self.logins(record)[0], Path(dump))
            case _:
                assert_never(step)

    async def _provide(self, mark: Mark, step: ProvideService) -> None:
        piece = Piece(await asyncio.to_thread(lambda: self._drivers.controller), mark.environment, step.service)
        known = {record.piece.service: record for record in self._memory.services(mark.environment)}.get(step.service)
        record = known or ServiceRecord(
            piece=piece, kind=step.kind, server=step.server, login=login_of(piece, 1), created_at=self._clock.wall()
        )
        task = f"mask.{step.service}.{mark.fence}" if step.mask_command else ""  # another one at each attempt
        record = msgspec.structs.replace(record, mask_task=task)
        passwords = self._memory.service_passwords(mark.environment, step.service) or {record.login: self._new_secret()}
        self._save(record, passwords)
        login = Login(record.login, passwords[record.login])
        if step.source is None:
            valid = await self.driver(record).provide(mark, record.piece, login)
        else:
            source = self._source(mark.environment, step.service, step.source, server=record.server)
            valid = await self.driver(record).clone(mark, record.piece, login, source=source.piece, mask=step.mask)
        self._save(msgspec.structs.replace(record, is_ready=not task), {**passwords, login.name: (valid or login).password})

    async def _rotate(self, mark: Mark, record: ServiceRecord) -> None:
        """Where an earlier rotation has not come to its end, its login is taken."""
        passwords = dict(self._memory.service_passwords(mark.environment, record.piece.service))
        following = login_of(record.piece, int(record.login.rpartition("_")[2]) + 1)
        passwords.setdefault(following, self._new_secret())
        self._save(record, passwords)
        login = Login(following, passwords[following])
        valid = await self.driver(record).admit(mark, record.piece, login)
        self._save(msgspec.structs.replace(record, login=following), {**passwords, following: (valid or login).password})

    async def _withdraw(self, mark: Mark, record: ServiceRecord) -> None:
        passwords = self._memory.service_passwords(mark.environment, record.piece.service)
        await self.driver(record).withdraw(mark, record.piece, keep=record.login)
        self._save(record, {record.login: passwords[record.login]})

    async def _remove(self, mark: Mark, record: ServiceRecord) -> None:
        """Nobody is given it any more before it begins to go."""
        self._save(msgspec.structs.replace(record, is_ready=False), self._memory.service_passwords(mark.environment, record.piece.service))
        await self.driver(record).remove(mark, record.piece)
        self._memory.forget_service(mark.environment, record.piece.service)

    def _save(self, record: ServiceRecord, passwords: Passwords) -> None:
        self._memory.save_service(record, passwords)
        self._changed(record.piece.environment)

    def _given(self, release: Release, records: Sequence[ServiceRecord]) -> Variables:
        known = {record.piece.service: record for record in records}
        return {
            f"{wish.prefix}_{suffix}": value
            for wish in release.services
            if wish.name in known
            for suffix, value in self._values(known[wish.name]).items()
        }

    def _values(self, record: ServiceRecord) -> dict[str, Secret]:
        return self.driver(record).variables(record.piece, self.logins(record)[0])

    def _is_there(self, environment: EnvironmentId, wish: ServiceWish, record: ServiceRecord | None) -> bool:
        """Raises InvalidInput where it is another kind of service."""
        if record is None:
            return False
        if record.kind.value != wish.kind.value:
            hint = f"call the new one something else, or `mooring service rm {wish.name}` first"
            raise InvalidInput(
                f"{wish.name} is {record.kind.value} already, and cannot become {wish.kind.value}", hint=hint, where=str(environment)
            )
        return record.is_ready

    def _step(self, environment: EnvironmentId, wish: ServiceWish, record: ServiceRecord | None) -> ProvideService:
        server = self._server(record.server) if record else self._chosen(environment, wish)
        reason = f"{environment} is to have one and has none yet" if record is None else "it was begun and is not finished"
        source = wish.source if wish.source != environment.environment else None
        if source is not None:
            self._source(environment, wish.name, source, server=server.name)
            check_mask(wish, source)
        mask, command = (wish.mask, wish.mask_command) if source is not None else ("", "")
        return ProvideService(
            service=wish.name, kind=wish.kind, server=server.name, reason=reason, source=source, mask=mask, mask_command=command
        )

    def _source(self, environment: EnvironmentId, service: ServiceName, source: EnvironmentName, *, server: ServerName) -> ServiceRecord:
        """What is to be copied. Raises InvalidInput where it is not there, or on another server."""
        owner = msgspec.structs.replace(environment, environment=source)
        found = [each for each in self._memory.services(owner) if each.piece.service == service and each.is_ready]
        if not found:
            hint = f"`mooring deploy -e {source}` makes it; it stays when {owner} is destroyed"
            raise InvalidInput(f"{service} is to begin as a copy of that of {owner}, which has none", hint=hint, where=str(environment))
        if found[0].server != server:
            hint = f'say server = "{found[0].server}", or carry it over with `mooring service dump` and `restore`'
            raise InvalidInput(f"{service} of {owner} is on {found[0].server}, and not on {server}", hint=hint, where=str(environment))
        return found[0]

    def _chosen(self, environment: EnvironmentId, wish: ServiceWish) -> ServiceServer:
        """The one that is named, or the only one. Raises InvalidInput."""
        servers = [server for server in self._memory.service_servers() if server.kind is wish.kind]
        named = [server for server in servers if not wish.server or server.name == wish.server]
        if len(named) == 1:
            return named[0]
        names = ", ".join(server.name for server in servers)
        said = (
            f"there is no {wish.kind.value} server {wish.server}".rstrip() if not named else f"there are several {wish.kind.value} servers"
        )
        hint = f'say which in mooring.toml: server = "NAME" of {names}' if servers else ""
        add = f"`mooring service add-server NAME --type {wish.kind.value}` adds one"
        raise InvalidInput(f"{wish.name} needs a server: {said}", hint=hint or add, where=str(environment))

    def _server(self, name: ServerName) -> ServiceServer:
        for server in self._memory.service_servers():
            if server.name == name:
                return server
        raise NotFound(f"there is no server {name}", hint="`mooring service add-server` adds it again")


def _check_reach(release: Release) -> None:
    """Raises InvalidInput where a file of this machine would be given to what runs on another."""
    files = [wish for wish in release.services if wish.kind in FILES]
    if files and release.regions:
        names = ", ".join(region.name for region in release.regions)
        said = f"{files[0].name} is a file on the controller's machine, and the app runs on hosts of {names}"
        hint = f'take a server that they reach: [services.{files[0].name}] type = "postgres"; or leave regions out, and it runs here'
        raise InvalidInput(said, hint=hint, where=str(release.environment))


def check_mask(wish: ServiceWish, source: EnvironmentName) -> None:
    """Raises InvalidInput for a copy of production as it is."""
    if source == PRODUCTION and not wish.mask and not wish.mask_command:
        hint = (
            f"let [services.{wish.name}] say what makes it fit to be seen: mask = … or mask_command = … "
            "(`mooring explain services.NAME.mask` says how)"
        )
        raise InvalidInput(f"{wish.name} would be a copy of production's real data, with no mask", hint=hint, where="mooring.toml")
