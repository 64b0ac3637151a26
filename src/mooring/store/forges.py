"""Forges: each app's, its secrets sealed; which commits were acted upon; what was believed. Must not: show a secret."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mooring.errors import NotFound
from mooring.model.forge import ForgeLink, ForgeSecrets, Hindered, PullRecord, Shown, Watched
from mooring.model.names import AppName, DeploymentId, EnvironmentName
from mooring.model.secret import Secret
from mooring.store import schema
from mooring.store.cipher import seal, unseal
from mooring.store.keys import read_ring
from mooring.store.sealing import forge_place, key_to_seal_with
from mooring.store.shelf import Shelf, decode, encode

_forges, _heads = schema.forges, schema.forge_heads
_deliveries, _watches = schema.forge_deliveries, schema.forge_watches
_pulls, _shown, _hindered = schema.forge_pulls, schema.forge_shown, schema.forge_hindered


class ForgeShelf(Shelf):
    def forges(self) -> tuple[ForgeLink, ...]:
        """By app."""
        with self._database.read() as connection:
            return tuple(decode(record, ForgeLink) for record in connection.scalars(select(_forges.c.record).order_by(_forges.c.app)))

    def forge_secrets(self, app: AppName) -> ForgeSecrets:
        """Raises NotFound, StateDamaged."""
        with self._database.read() as connection:
            row = connection.execute(select(_forges).where(_forges.c.app == app)).first()
        if row is None:
            raise NotFound(f"{app} has no forge", hint="`mooring forge ls` lists those there are; `mooring forge add` adds one")
        key = read_ring(self._key_file).find(row.key)
        token, hook = msgspec.json.decode(unseal(row.sealed, key=key, place=forge_place(app)), type=tuple[str, str])
        return ForgeSecrets(token=Secret(token), hook=Secret(hook))

    def save_forge(self, link: ForgeLink, secrets: ForgeSecrets) -> None:
        """In the place of an earlier one of this app; which commits were seen stays known."""
        text = msgspec.json.encode((secrets.token.reveal(), secrets.hook.reveal())).decode()
        with self._database.write() as connection:
            key = key_to_seal_with(connection, self._key_file)
            sealed = seal(text, key=key, place=forge_place(link.app))
            row = insert(_forges).values(app=link.app, record=encode(link), key=key.id, sealed=sealed)
            new = {"record": row.excluded.record, "key": row.excluded.key, "sealed": row.excluded.sealed}
            connection.execute(row.on_conflict_do_update(index_elements=["app"], set_=new))

    def forget_forge(self, app: AppName) -> None:
        """With all that was seen of it."""
        with self._database.write() as connection:
            connection.execute(delete(_forges).where(_forges.c.app == app))

    def forge_heads(self, app: AppName) -> dict[str, str]:
        """The commit of each branch that was acted upon last."""
        with self._database.read() as connection:
            rows = connection.execute(select(_heads.c.branch, _heads.c.commit).where(_heads.c.app == app))
            return {row.branch: row.commit for row in rows}

    def save_forge_head(self, app: AppName, branch: str, commit: str) -> None:
        """`commit` empty: the branch is gone. Nothing of a forge that was forgotten meanwhile."""
        with self._database.write() as connection:
            if not _is_known(connection, app):
                return
            if not commit:
                connection.execute(delete(_heads).where(_heads.c.app == app, _heads.c.branch == branch))
                return
            row = insert(_heads).values(app=app, branch=branch, commit=commit)
            connection.execute(row.on_conflict_do_update(index_elements=["app", "branch"], set_={"commit": row.excluded.commit}))

    def is_first_delivery(self, app: AppName, digest: bytes, *, at: float) -> bool:
        """Takes note of a message, by its digest; False when it was noted before."""
        with self._database.write() as connection:
            row = insert(_deliveries).values(app=app, digest=digest, at=at).on_conflict_do_nothing()
            return connection.execute(row).rowcount == 1

    def forget_deliveries(self, *, before: float) -> int:
        """Those noted before this time; how many."""
        with self._database.write() as connection:
            return connection.execute(delete(_deliveries).where(_deliveries.c.at < before)).rowcount

    def forge_pulls(self, app: AppName) -> tuple[PullRecord, ...]:
        """By number."""
        found = select(_pulls.c.record).where(_pulls.c.app == app).order_by(_pulls.c.number)
        with self._database.read() as connection:
            return tuple(decode(record, PullRecord) for record in connection.scalars(found))

    def forge_pull(self, app: AppName, number: int) -> PullRecord | None:
        found = select(_pulls.c.record).where(_pulls.c.app == app, _pulls.c.number == number)
        with self._database.read() as connection:
            record = connection.scalar(found)
            return None if record is None else decode(record, PullRecord)

    def save_forge_pull(self, pull: PullRecord) -> None:
        """Nothing of a forge that was forgotten meanwhile."""
        with self._database.write() as connection:
            if not _is_known(connection, pull.app):
                return
            row = insert(_pulls).values(app=pull.app, number=pull.number, record=encode(pull))
            connection.execute(row.on_conflict_do_update(index_elements=["app", "number"], set_={"record": row.excluded.record}))

    def forget_forge_pull(self, app: AppName, number: int) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_pulls).where(_pulls.c.app == app, _pulls.c.number == number))

    def forge_shown(self, app: AppName) -> dict[EnvironmentName, Shown]:
        """What its forge shows of each environment."""
        found = select(_shown.c.record).where(_shown.c.app == app).order_by(_shown.c.environment)
        with self._database.read() as connection:
            records = [decode(record, Shown) for record in connection.scalars(found)]
        return {record.environment: record for record in records}

    def save_forge_shown(self, shown: Shown) -> None:
        """Nothing of a forge that was forgotten meanwhile."""
        with self._database.write() as connection:
            if not _is_known(connection, shown.app):
                return
            row = insert(_shown).values(app=shown.app, environment=shown.environment, record=encode(shown))
            connection.execute(row.on_conflict_do_update(index_elements=["app", "environment"], set_={"record": row.excluded.record}))

    def forget_forge_shown(self, app: AppName, environment: EnvironmentName) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_shown).where(_shown.c.app == app, _shown.c.environment == environment))

    def forge_hindered(self, app: AppName) -> tuple[Hindered, ...]:
        """Commits that are not deployed since a check did not end well, by name."""
        found = select(_hindered.c.record).where(_hindered.c.app == app).order_by(_hindered.c.name)
        with self._database.read() as connection:
            return tuple(decode(record, Hindered) for record in connection.scalars(found))

    def save_forge_hindered(self, hindered: Hindered) -> None:
        """In the place of an earlier one of this name. Nothing of a forge that was forgotten meanwhile."""
        with self._database.write() as connection:
            if not _is_known(connection, hindered.app):
                return
            row = insert(_hindered).values(app=hindered.app, name=hindered.name, record=encode(hindered))
            connection.execute(row.on_conflict_do_update(index_elements=["app", "name"], set_={"record": row.excluded.record}))

    def forget_forge_hindered(self, app: AppName, name: str) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_hindered).where(_hindered.c.app == app, _hindered.c.name == name))

    def forge_watches(self) -> tuple[Watched, ...]:
        """Deployments whose end a forge is still to be told."""
        with self._database.read() as connection:
            return tuple(decode(record, Watched) for record in connection.scalars(select(_watches.c.record)))

    def save_forge_watch(self, watched: Watched) -> None:
        """Nothing of a forge that was forgotten meanwhile."""
        with self._database.write() as connection:
            if not _is_known(connection, watched.app):
                return
            row = insert(_watches).values(deployment=watched.deployment, app=watched.app, record=encode(watched))
            connection.execute(row.on_conflict_do_update(index_elements=["deployment"], set_={"record": row.excluded.record}))

    def forget_forge_watch(self, deployment: DeploymentId) -> None:
        with self._database.write() as connection:
            connection.execute(delete(_watches).where(_watches.c.deployment == deployment))


def _is_known(connection: Connection, app: AppName) -> bool:
    return connection.execute(select(_forges.c.app).where(_forges.c.app == app)).first() is not None
