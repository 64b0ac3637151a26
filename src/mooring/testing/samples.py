"""Values to fill a memory with: as plain as they can be, each different where a test needs it. Must not: mean anything."""

from __future__ import annotations

from mooring.model.deployment import Deployment, Revision, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.events import Event, EventKind
from mooring.model.forge import ForgeKind, ForgeLink, Hindered, PullPart, PullRecord, Shown, Watched
from mooring.model.health import Check, Checks
from mooring.model.host import Host, HostAddress, HostRuntime
from mooring.model.instance import InstanceKey
from mooring.model.names import AppName, ArtifactId, DeploymentId, EnvironmentName, HostId, ProcessName, ServerName, ServiceName
from mooring.model.policy import Policy
from mooring.model.records import Answer
from mooring.model.release import Artifact, ProcessType, Release, Source
from mooring.model.service import Piece, ServiceKind, ServiceRecord, ServiceServer, login_of
from mooring.model.steps import StartInstance

SHOP = EnvironmentId.parse("shop")
BLOG = EnvironmentId.parse("blog/staging")


def a_release(number: int = 1, *, environment: EnvironmentId = SHOP, description: str = "") -> Release:
    web = ProcessType(name=ProcessName("web"), command="run", checks=Checks(startup=Check(), readiness=Check()))
    artifact = Artifact(id=ArtifactId("a1"), builder="procfile", reason="a Procfile is present", directory="/srv/a1", size=1)
    return Release(
        environment=environment,
        number=number,
        artifact=artifact,
        source=Source(digest="d1"),
        config_version=0,
        processes=(web,),
        hostnames=(),
        policy=Policy(),
        description=description,
    )


def a_deployment(name: str = "d1", *, environment: EnvironmentId = SHOP, number: int = 1) -> Deployment:
    return Deployment(
        id=DeploymentId(name),
        environment=environment,
        number=number,
        trigger=Trigger.DEPLOY,
        requested_at=100.0 + number,
        requested_by="anna",
        target=Revision(release=number, counts={ProcessName("web"): 2}),
    )


def a_step(slot: int = 1) -> StartInstance:
    return StartInstance(instance=InstanceKey(SHOP, ProcessName("web"), slot, 1), reason="wanted, and not there")


def an_event(text: str = "hello", *, environment: EnvironmentId | None = SHOP, deployment: str | None = None) -> Event:
    at = DeploymentId(deployment) if deployment else None
    return Event(at=5.0, kind=EventKind.PLATFORM, environment=environment, deployment=at, fields={"message": text})


def a_host(name: str = "web-1") -> Host:
    return Host(
        name=HostId(name),
        address=HostAddress("root", "203.0.113.7"),
        runtime=HostRuntime.DOCKER,
        host_key="ssh-ed25519 AAAA",
        labels={"disk": "ssd"},
    )


def a_server(name: str = "main", *, version: str = "15.1") -> ServiceServer:
    return ServiceServer(name=ServerName(name), kind=ServiceKind.POSTGRES, place="db.test:5432", version=version)


def a_service(name: str = "db", *, environment: EnvironmentId = SHOP, is_ready: bool = True) -> ServiceRecord:
    piece = Piece("c0ffee", environment, ServiceName(name))
    return ServiceRecord(piece=piece, kind=ServiceKind.POSTGRES, server=ServerName("main"), login=login_of(piece, 1), is_ready=is_ready)


def an_answer(key: str, *, scope: str = "ci", digest: str = "d", content: bytes = b"{}", at: float = 0.0) -> Answer:
    return Answer(scope=scope, key=key, digest=digest, content=content, at=at)


def a_forge(app: str = "shop") -> ForgeLink:
    return ForgeLink(app=AppName(app), kind=ForgeKind.GITHUB, repository=f"acme/{app}", url=f"https://github.com/acme/{app}.git")


def a_pull(number: int = 2) -> PullRecord:
    """What became of a pull request."""
    return PullRecord(app=AppName("shop"), number=number, branch=f"b{number}", part=PullPart.OWN, head="c1", mark="mooring 1f2e")


def a_watch(deployment: str = "d1") -> Watched:
    return Watched(
        deployment=DeploymentId(deployment), app=AppName("shop"), environment=EnvironmentName("production"), commit="c1", branch="main"
    )


def a_shown(environment: str = "production", *, url: str = "https://shop.example.com", deployments: tuple[str, ...] = ("4711",)) -> Shown:
    """What a forge shows of an environment."""
    name = EnvironmentName(environment)
    return Shown(app=AppName("shop"), environment=name, commit="c1", branch="main", url=url, deployments=deployments)


def a_hindered(branch: str = "main", *, number: int = 0) -> Hindered:
    """A commit whose check failed."""
    return Hindered(app=AppName("shop"), branch=branch, commit="c1", checks=("test",), reason="the check test failed", number=number)
