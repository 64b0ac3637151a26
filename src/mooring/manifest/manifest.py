"""What the files of an app ask for in one environment, with the place every value comes from. Must not: be changed once read."""

from __future__ import annotations

import msgspec

from mooring.model.accessory import Accessory
from mooring.model.assets import AssetSettings
from mooring.model.build import BuildSettings
from mooring.model.edge import EdgeSettings
from mooring.model.environment import EnvironmentId
from mooring.model.host import HostRuntime
from mooring.model.names import AppName, Hostname, ProcessName, VariableName
from mooring.model.placement import Region
from mooring.model.policy import Policy
from mooring.model.release import ProcessType
from mooring.model.review import ReviewSettings
from mooring.model.service import ServiceWish


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One value as text, and where it comes from: `mooring.toml:7`, `default`, `builder`, `config set` or `secret set`.

    Values set by command are not known here: their `value` is empty.
    """

    key: str
    value: str
    origin: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`env`: plain variables of the files, without those set by command. `secret_files`: those that processes find as files.

    `is_complete`: false before the build, when the builder's offer may still add process types or commands (then a command is
    empty). `required_variables`: names that app.json requires and nothing has set; in `generated_variables` those of them that
    are made up where nobody has set them.
    `review`: how the app's review apps are to be, whichever environment this is. `notes` are sentences for the person who deploys.
    """

    app: AppName | None
    environment: EnvironmentId
    processes: tuple[ProcessType, ...]
    is_complete: bool
    hostnames: tuple[Hostname, ...]
    policy: Policy
    release_command: str
    build: BuildSettings
    env: dict[str, str]
    edge: EdgeSettings
    runtime: HostRuntime | None = None
    regions: tuple[Region, ...] = ()
    accessories: tuple[Accessory, ...] = ()
    secret_files: tuple[VariableName, ...] = ()
    review: ReviewSettings = ReviewSettings()
    services: tuple[ServiceWish, ...] = ()
    assets: AssetSettings | None = None
    required_variables: tuple[str, ...] = ()
    generated_variables: frozenset[str] = frozenset()
    settings: tuple[Setting, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[ProcessName, int]:
        """How many of each process type, until somebody scales."""
        return {process.name: process.count for process in self.processes}

    @property
    def origins(self) -> dict[str, str]:
        """Where each value comes from, by its key."""
        return {setting.key: setting.origin for setting in self.settings}
