"""What a process of a release finds in its environment: one rule for instances, release commands and one-offs. Must not: show it."""

from __future__ import annotations

from mooring.drivers.runtime.contract import Variables
from mooring.engine.contract import Memory
from mooring.errors import InvalidInput
from mooring.model.build import BuildSettings
from mooring.model.config import revealed
from mooring.model.release import Release
from mooring.model.secret import Secret, SecretFile


def variables_of(memory: Memory, release: Release, *, process: str) -> Variables:
    """The builder's, then who it is, then the manifest's, then what was set by command: the later wins. `process`: `web.1`.

    What the release takes as a file is a SecretFile, wherever its value comes from. What its build alone was given is left out."""
    about = {
        "MOORING_APP": str(release.environment.app),
        "MOORING_ENVIRONMENT": str(release.environment.environment),
        "MOORING_RELEASE": release.version,
        "MOORING_COMMIT": release.source.commit,
        "MOORING_PROCESS": process,
    }
    config = {
        name: value
        for name, value in memory.config(release.environment, release.config_version).items()
        if name not in release.build_secrets or name in release.secret_files
    }
    values: Variables = {**release.artifact.environment, **about, **release.variables, **config}
    files: Variables = {str(name): SecretFile(revealed(values[name])) for name in release.secret_files if name in values}
    return {**values, **files}


def check_deliverable(config: Variables, release: Release) -> None:
    """Raises InvalidInput for a secret that no environment can carry and the release does not take as a file."""
    for name, value in config.items():
        if "\0" in revealed(value) and name not in release.secret_files and name not in release.build_secrets:
            raise InvalidInput(
                f"the secret {name} holds a NUL byte, and no environment can carry that",
                hint=f'let the app read it from a file: [secrets] files = ["{name}"] in mooring.toml, then deploy and set it',
                where=str(release.environment),
            )


def build_secrets_of(config: Variables, settings: BuildSettings) -> dict[str, Secret]:
    """What a build may see of the config. Raises InvalidInput where nobody has set one."""
    absent = [name for name in settings.secrets if name not in config]
    if absent:
        hint = " and ".join(f"`mooring secret set {name}`" for name in absent)
        raise InvalidInput(f"the build needs {', '.join(absent)}, and nothing sets it", hint=hint, where="mooring.toml")
    return {name: Secret(revealed(config[name])) for name in settings.secrets}
