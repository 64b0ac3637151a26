"""Every way Mooring fails, and nothing else: an error carries a stable code, a sentence, where it was, and what to do next.

    MooringError
    ├── UsageError                  what was asked cannot be done as asked          exit 2, HTTP 400
    │   ├── InvalidName             a name outside its alphabet or length
    │   ├── InvalidInput            a value of the wrong type, unit or range
    │   ├── ManifestInvalid         one or more problems, each with file and line    HTTP 422
    │   ├── SourceInvalid           nothing to deploy: no repository, no commit, a hostile archive
    │   ├── NotFound                no such app, environment, release, deployment    HTTP 404
    │   └── PlatformNotRunning      no controller answers on the socket
    ├── Refused                     asked properly, but not now or not by you
    │   ├── Unauthorized            no token, or a wrong one                         exit 2, HTTP 401
    │   ├── Forbidden               the token's role does not reach this             exit 2, HTTP 403
    │   ├── LeaseHeld               another deployment or a lock holds it            exit 3, HTTP 409
    │   ├── StaleFence              an older controller's effect, refused where it lands
    │   └── CapacityExceeded        declared memory, cpus or disk do not fit; with numbers
    ├── DeploymentFailed            the old release still serves                     exit 1
    │   ├── BuildFailed
    │   ├── ReleaseCommandFailed
    │   ├── NotHealthy              an instance did not become, or stay, ready
    │   ├── Regressed               the watch found the new release worse
    │   └── Aborted
    ├── NeedsPerson                 Mooring stopped where guessing could lose something   exit 4
    │   └── StateDamaged            the state cannot be read as it should be
    └── DriverError                 a part in the world did not do its work
        ├── Unavailable             it certainly did not happen (refused, absent, disk full)
        └── OutcomeUnknown          the answer was lost: observe before repeating or undoing

Errors of other libraries are translated to these in the driver that met them; nothing above a driver sees a foreign one.
Must not: import anything of Mooring, or render itself for a terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class MooringError(Exception):
    """Base of all. `message` says what was wrong with what; `hint` what to do; `where` is a file:line or an object's name."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 4
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "", where: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        located = f"{self.where}: {self.message}" if self.where else self.message
        return f"{located} ({self.hint})" if self.hint else located


class UsageError(MooringError):
    code = "usage"
    exit_code = 2
    status = 400


class InvalidName(UsageError):
    code = "invalid-name"


class InvalidInput(UsageError):
    code = "invalid-input"


class ManifestInvalid(UsageError):
    """All problems of one reading at once. `problems` are model.problem.Problem values, in the order of file and line."""

    code = "manifest-invalid"
    status = 422

    def __init__(self, problems: Sequence[object]) -> None:
        count = len(problems)
        super().__init__(f"{count} problem{'s' if count != 1 else ''} in what describes the app")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([self.message, *(str(problem) for problem in self.problems)])


class SourceInvalid(UsageError):
    code = "source-invalid"


class NotFound(UsageError):
    code = "not-found"
    status = 404


class PlatformNotRunning(UsageError):
    code = "platform-not-running"
    status = 503


class Refused(MooringError):
    code = "refused"
    exit_code = 2
    status = 409


class Unauthorized(Refused):
    code = "unauthorized"
    status = 401


class Forbidden(Refused):
    code = "forbidden"
    status = 403


class LeaseHeld(Refused):
    code = "lease-held"
    exit_code = 3


class StaleFence(Refused):
    code = "stale-fence"


class CapacityExceeded(Refused):
    code = "capacity-exceeded"
    status = 422


class DeploymentFailed(MooringError):
    code = "deployment-failed"
    exit_code = 1
    status = 422


class BuildFailed(DeploymentFailed):
    code = "build-failed"


class ReleaseCommandFailed(DeploymentFailed):
    code = "release-command-failed"


class NotHealthy(DeploymentFailed):
    code = "not-healthy"


class Regressed(DeploymentFailed):
    code = "regressed"


class Aborted(DeploymentFailed):
    code = "aborted"


class NeedsPerson(MooringError):
    code = "needs-person"


class StateDamaged(NeedsPerson):
    code = "state-damaged"


class DriverError(MooringError):
    code = "driver-error"
    exit_code = 1
    status = 502


class Unavailable(DriverError):
    code = "unavailable"
    status = 503


class OutcomeUnknown(DriverError):
    code = "outcome-unknown"
