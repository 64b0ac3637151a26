"""Which running copy of which app: the identity everything else hangs on. Must not: know what the environment runs."""

from __future__ import annotations

import msgspec

from mooring.model.names import AccessoryName, AppName, EnvironmentName, accessory_name, app_name, environment_name

PRODUCTION = EnvironmentName("production")


class EnvironmentId(msgspec.Struct, frozen=True, order=True):
    """An app's named running copy, written `app/environment`.

    An accessory of one is an environment of its own, written `app/environment.accessory`: nobody can give an environment such a name.
    """

    app: AppName
    environment: EnvironmentName

    def __str__(self) -> str:
        return f"{self.app}/{self.environment}"

    @property
    def slug(self) -> str:
        """A name for files, clusters and programs: no two environments share one, since names hold no double dash."""
        return f"{self.app}--{self.environment}"

    @property
    def label(self) -> str:
        """The default hostname's first label: `app` for production, `app--environment` otherwise (cut to fit DNS by hostname checks)."""
        return str(self.app) if self.environment == PRODUCTION else self.slug

    @property
    def accessory(self) -> AccessoryName | None:
        """Its name where it is one."""
        name = self.environment.partition(".")[2]
        return AccessoryName(name) if name else None

    @property
    def home(self) -> EnvironmentId:
        """Whose accessory it is; itself where it is none."""
        return EnvironmentId(self.app, EnvironmentName(self.environment.partition(".")[0]))

    def with_accessory(self, name: AccessoryName) -> EnvironmentId:
        """The environment that is this one's accessory of that name."""
        return EnvironmentId(self.app, EnvironmentName(f"{self.home.environment}.{name}"))

    @classmethod
    def parse(cls, text: str) -> EnvironmentId:
        """Read `app/environment` (or `app` alone for production), an accessory's too; raises InvalidName."""
        app, _, environment = text.partition("/")
        name, dot, accessory = environment.partition(".")
        home = cls(app=app_name(app), environment=environment_name(name or PRODUCTION))
        return home.with_accessory(accessory_name(accessory)) if dot else home
