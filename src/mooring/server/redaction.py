"""One redactor per environment, made anew when a secret was set. Must not: forget a value that an older release may still print."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from mooring.errors import MooringError
from mooring.model.environment import EnvironmentId
from mooring.model.secret import Secret
from mooring.store.memory import SqliteMemory
from mooring.store.redaction import Redactor

_SNAPSHOTS = 50  # newest of each environment; older values are in no log that is still kept


class Redactors:
    """Fulfils usecases.platform.Secrets; `redact` is what the engine takes."""

    def __init__(self, memory: SqliteMemory) -> None:
        self._memory = memory
        self._known: dict[EnvironmentId, Redactor] = {}
        self._of_all: Redactor | None = None

    def redactor(self, environment: EnvironmentId) -> Redactor:
        known = self._known.get(environment)
        if known is None:
            known = self._known[environment] = Redactor(self._secrets(environment))
        return known

    def changed(self, environment: EnvironmentId | None) -> None:
        if environment is None:
            self._known.clear()
        else:
            self._known = {known: redactor for known, redactor in self._known.items() if known.home != environment.home}
        self._of_all = None

    def redact(self, environment: EnvironmentId, text: str) -> str:
        return self.redactor(environment).redact(text)

    def redact_all(self, text: str) -> str:
        """Every environment's secrets: for the controller's own log. Where they cannot be read, nothing of the text is shown."""
        try:
            return self._redactor_of_all().redact(text)
        except MooringError as error:
            return f'{{"level": "error", "event": "a line is left out: the secrets cannot be read to redact it", "code": "{error.code}"}}'

    def _redactor_of_all(self) -> Redactor:
        if self._of_all is None:
            environments = {record.environment for record in self._memory.environments()}
            environments |= {record.piece.environment for record in self._memory.services()}
            of_each = [secret for environment in environments for secret in self._secrets(environment)]
            self._of_all = Redactor([*of_each, *self._of_platform(), *self._of_forges()])
        return self._of_all

    def _of_forges(self) -> list[Secret]:
        kept = [self._memory.forge_secrets(link.app) for link in self._memory.forges()]
        return [secret for secrets in kept for secret in (secrets.token, secrets.hook) if secret.reveal()]

    def _secrets(self, environment: EnvironmentId) -> list[Secret]:
        """Its accessories' too, and theirs its own: an app prints what it connects with."""
        records = [record.environment for record in self._memory.environments()]
        related = {environment, *(each for each in records if each.home == environment.home)}
        return list({*(secret for each in related for secret in self._own(each)), *self._of_platform()})

    def _own(self, environment: EnvironmentId) -> list[Secret]:
        versions = [snapshot.version for snapshot in self._memory.config_versions(environment)][-_SNAPSHOTS:]
        values = [value for version in versions for value in self._memory.config(environment, version).values()]
        services = self._memory.services(environment)
        passwords = [each for one in services for each in self._memory.service_passwords(environment, one.piece.service).values()]
        halves = [half for password in passwords for half in _half_of(password)]
        return [*(value for value in values if isinstance(value, Secret)), *passwords, *halves]

    def _of_platform(self) -> list[Secret]:
        """What a build or a delivery of any environment may say."""
        servers = [self._memory.service_address(server.name) for server in self._memory.service_servers()]
        addresses = [secret for address in servers if address is not None for secret in (address, *_password_in(address))]
        return [*(login.password for login in self._memory.registry_logins()), *addresses]


def _half_of(password: Secret) -> tuple[Secret, ...]:
    """The secret of a bucket's key `ID:SECRET`, which an app tells without its ID."""
    _, _, secret = password.reveal().partition(":")
    return (Secret(secret),) if secret else ()


def _password_in(address: Secret) -> tuple[Secret, ...]:
    """The password that stands in an address, as it is written there and as it is meant."""
    try:
        password = urlsplit(address.reveal()).password
    except ValueError:
        return ()
    return tuple({Secret(text) for text in (password, unquote(password))}) if password else ()
