"""Which running copy of which app: the identity everything else hangs on. Must not: know what the environment runs."""

from __future__ import annotations

import msgspec

from mooring.model.names import AppName, EnvironmentName, app_name, environment_name

PRODUCTION = EnvironmentName("production")


class EnvironmentId(msgspec.Struct, frozen=True, order=True):
    """An app's named running copy, written `app/environment`."""

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

    @classmethod
    def parse(cls, text: str) -> EnvironmentId:
        """Read `app/environment` (or `app` alone for production); raises InvalidName."""
        app, _, environment = text.partition("/")
        return cls(app=app_name(app), environment=environment_name(environment or PRODUCTION))
