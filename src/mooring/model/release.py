"""What runs: process types, artifacts, releases. A release never changes. Must not: say where or how many run now."""

from __future__ import annotations

import msgspec

from mooring.model.accessory import Accessory, Lasting
from mooring.model.assets import AssetSettings
from mooring.model.edge import EdgeSettings
from mooring.model.environment import EnvironmentId
from mooring.model.health import Checks
from mooring.model.host import HostRuntime
from mooring.model.names import ArtifactId, Hostname, ProcessName, VariableName
from mooring.model.placement import Region
from mooring.model.policy import Policy
from mooring.model.promotion import Promotion
from mooring.model.service import ServiceWish


class ProcessType(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a Procfile with all that belongs to it. `command` is the app's own shell line, run as `sh -c COMMAND`.

    `lasting`: of an accessory, which listens though nothing is routed to it.
    """

    name: ProcessName
    command: str
    count: int = 1
    is_routed: bool = False
    is_single: bool = False
    checks: Checks
    stop_signal: str = "TERM"
    memory: int = 0  # bytes declared per instance; 0 = not declared
    cpus: float = 0.0  # processors that one instance may keep busy; 0 = not declared
    path: str = "/"  # URL prefix routed to this process type
    lasting: Lasting | None = None

    @property
    def listens(self) -> bool:
        """Whether it is given a port."""
        return self.is_routed or self.lasting is not None


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """Something that can run, cached by content. `directory` is absolute on the host that built it; `size` in bytes.

    `image`: of a container, its id by digest in the engine that has it; empty for what runs without one.
    """

    id: ArtifactId
    builder: str
    reason: str
    directory: str
    size: int
    environment: dict[str, str] = {}  # what the builder needs at run time: PATH, VIRTUAL_ENV
    processes: dict[str, str] = {}  # commands the builder offers when nothing else names them: web -> npm start
    dependencies: tuple[str, ...] = ()  # absolute directories in the shared cache that it cannot run without
    image: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an artifact's content came from. `digest` is of the tree; `commit` empty for a tree without one."""

    digest: str
    commit: str = ""
    branch: str = ""
    message: str = ""
    is_dirty: bool = False


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """Artifact + config + process types, numbered per environment. `config_version` names an encrypted snapshot in the store.

    Without `regions` all of it runs on the controller's own machine. `runtime` None: however its hosts run things.
    `accessories` are those declared beside it; of an accessory's own release: what it was made from, alone.
    `promotion`: which release of another environment it was, and what it brought.
    """

    environment: EnvironmentId
    number: int
    artifact: Artifact
    source: Source
    config_version: int
    processes: tuple[ProcessType, ...]
    hostnames: tuple[Hostname, ...]
    policy: Policy
    edge: EdgeSettings = EdgeSettings()
    release_command: str = ""
    seed_command: str = ""  # of a review app: what lays in its data, once
    variable_origins: dict[str, str] = {}  # where each of `variables` stands: `mooring.toml:7`
    runtime: HostRuntime | None = None
    regions: tuple[Region, ...] = ()
    accessories: tuple[Accessory, ...] = ()
    secret_files: tuple[VariableName, ...] = ()  # variables that its processes find as files, not in their environment
    build_secrets: tuple[VariableName, ...] = ()  # what its build alone was given: no variable of its processes
    variables: dict[str, str] = {}  # the manifest's plain [env]; config set by command goes over it
    services: tuple[ServiceWish, ...] = ()
    assets: AssetSettings | None = None  # files that a bucket serves
    assets_digest: str = ""  # of the tree of them, once it is built
    created_at: float = 0.0
    created_by: str = ""
    promotion: Promotion | None = None
    description: str = ""  # "deploy 3f2a91c", "config set LOG_LEVEL", "rollback to v5"

    @property
    def version(self) -> str:
        return f"v{self.number}"

    def process(self, name: ProcessName) -> ProcessType | None:
        return next((process for process in self.processes if process.name == name), None)
