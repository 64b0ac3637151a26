"""What a process of a release finds in its environment: one rule for instances, release commands and one-offs. Must not: show it."""

from __future__ import annotations

from mooring.drivers.runtime.contract import Variables
from mooring.engine.contract import Memory
from mooring.engine.services import Services
from mooring.errors import InvalidInput
from mooring.model.accessory import Accessory, filled_in
from mooring.model.assets import KEY_ID, KEY_SECRET, URL, url_of
from mooring.model.build import BuildSettings
from mooring.model.config import revealed
from mooring.model.environment import EnvironmentId
from mooring.model.release import Release
from mooring.model.secret import Secret, SecretFile


def variables_of(memory: Memory, services: Services, release: Release, *, process: str, copies: Variables | None = None) -> Variables:
    """The builder's, who it is, where accessories, services and assets are, the manifest's, what was set: the later wins.

    `process`: `web.1`. What the release takes as a file is a SecretFile, wherever its value comes from. What is for its build or its
    bucket alone is left out, and so is what no environment can carry. `copies`: where those are that are to be masked; over all else, so
    that nothing is masked in their place."""
    about = {
        "MOORING_APP": str(release.environment.app),
        "MOORING_ENVIRONMENT": str(release.environment.home.environment),
        "MOORING_RELEASE": release.version,
        "MOORING_COMMIT": release.source.commit,
        "MOORING_PROCESS": process,
    }
    config = {
        name: value
        for name, value in memory.config(release.environment, release.config_version).items()
        if name in release.secret_files or (name not in _withheld(release) and is_carried(value))
    }
    found = {**_of_accessories(memory, release), **services.variables(release)} if release.environment.accessory is None else {}
    assets = {str(URL): url_of(release.environment, release.assets, release.assets_digest)} if release.assets else {}
    values: Variables = {**release.artifact.environment, **about, **found, **assets, **release.variables, **config, **(copies or {})}
    files: Variables = {str(name): SecretFile(revealed(values[name])) for name in release.secret_files if name in values}
    return {**values, **files}


def _withheld(release: Release) -> tuple[str, ...]:
    """What is set for Mooring's own work: the keys of a build and of the bucket."""
    return (*release.build_secrets, *((KEY_ID, KEY_SECRET) if release.assets else ()))


def names_given(accessory: Accessory) -> tuple[str, ...]:
    """The variables by which an app finds it."""
    words = ("HOST", "PORT", *(["URL"] if accessory.url else []))
    return tuple(f"{accessory.prefix}_{word}" for word in words)


def access_to(memory: Memory, environment: EnvironmentId) -> Variables:
    """The variables by which whoever uses this accessory finds it, by HOST, PORT and URL; nothing of one that was never ready."""
    record = memory.environment(environment)
    release = memory.release(environment, record.revision.release) if record and record.revision else None
    if record is None or record.place is None or release is None:
        return {}
    place, url = record.place, release.accessories[0].url
    config = memory.config(environment, release.config_version)
    words = {"address": place.address, "port": str(place.port), **{name: revealed(value) for name, value in config.items()}}
    filled = {"URL": Secret(filled_in(url, words))} if url else {}
    return {"HOST": place.address, "PORT": str(place.port), **filled}


def _of_accessories(memory: Memory, release: Release) -> Variables:
    return {
        f"{accessory.prefix}_{word}": value
        for accessory in release.accessories
        for word, value in access_to(memory, release.environment.with_accessory(accessory.name)).items()
    }


def is_carried(value: str | Secret) -> bool:
    """Whether an environment can hold it: a NUL byte ends a variable (execve(2))."""
    return "\0" not in revealed(value)


def check_deliverable(config: Variables, release: Release) -> None:
    """Raises InvalidInput for a secret that no environment can carry and the release does not take as a file."""
    for name, value in config.items():
        if not is_carried(value) and name not in release.secret_files and name not in release.build_secrets:
            raise InvalidInput(
                f"the secret {name} holds a NUL byte, and no environment can carry that",
                hint=f'let the app read it from a file: [secrets] files = ["{name}"] in mooring.toml, and deploy that',
                where=str(release.environment),
            )


def build_secrets_of(config: Variables, settings: BuildSettings) -> dict[str, Secret]:
    """What a build may see of the config. Raises InvalidInput where nobody has set one."""
    absent = [name for name in settings.secrets if name not in config]
    if absent:
        hint = " and ".join(f"`mooring secret set {name}`" for name in absent)
        raise InvalidInput(f"the build needs {', '.join(absent)}, and nothing sets it", hint=hint, where="mooring.toml")
    return {name: Secret(revealed(config[name])) for name in settings.secrets}
