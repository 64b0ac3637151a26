"""One line of JSON per request: what Envoy is told to write, and the value it is read back as.

The path is written without its query string, and no header but those named here: a log is no place for secrets.
Each field costs every request some time: what stands here is read back, or tells an operator whose request it was.
Must not: read or rotate files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec

Json = dict[str, object]

WAITING_ROOM = "waiting-room"  # stands as the instance where the attendant held or answered the request

FORMAT: Json = {
    "at": "%START_TIME(%s.%6f)%",
    "ms": "%DURATION%",
    "us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "route": "%ROUTE_NAME%",
    "host": "%REQ(:AUTHORITY):253%",
    "method": "%REQ(:METHOD):20%",
    "path": "%PATH(NQ:PATH):512%",
    "status": "%RESPONSE_CODE%",
    "sent": "%BYTES_SENT%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "cluster": "%UPSTREAM_CLUSTER_RAW%",
    "instance": "%UPSTREAM_HOST_NAME%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "again": "%RESP(RETRY-AFTER):8%",
    "waited_us": "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%",
    "id": "%REQ(X-REQUEST-ID):64%",
    "agent": "%REQ(USER-AGENT):120%",
    "peer": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
}

_RELEASE = re.compile(r"\.v([0-9]+)\.[0-9]+(?:@[a-z0-9-]+)?$")
_Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]  # what a float holds: a longer one is a damaged line


class Line(msgspec.Struct, frozen=True):
    """A request that has ended; the fields that are read back. `at` is its start in wall seconds, `us` microseconds to the last byte,
    `again` in how many seconds the client is to ask anew."""

    at: str
    ms: _Number | None = None
    us: _Number | None = None
    route: str | None = None
    path: str | None = None
    method: str | None = None
    status: _Number | None = None
    sent: _Number = 0
    flags: str | None = None
    details: str | None = None
    cluster: str | None = None
    instance: str | None = None
    attempts: _Number | None = None
    again: str | None = None
    waited_us: _Number | None = None
    agent: str | None = None

    @property
    def release(self) -> str:
        """The number within an instance's slug (model/instance.py); empty where no instance took part."""
        found = _RELEASE.search(self.instance or "")
        return found[1] if found else ""

    @property
    def start(self) -> float:
        return float(self.at)

    @property
    def seconds(self) -> float:
        if self.us is not None:
            return self.us / 1_000_000
        return (self.ms or 0) / 1000

    @property
    def end(self) -> float:
        return self.start + (self.ms or 0) / 1000


decode = msgspec.json.Decoder(Line).decode


def logger(path: Path) -> Json:
    """Envoy's access logger that writes the lines."""
    return {
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": str(path),
            "log_format": {"json_format": FORMAT},
        },
    }
