"""What a controller keeps in order: its own log without secrets, uploads that nobody waits for, settings, redactors."""

from __future__ import annotations

import json
import logging
import stat
import sys
import tempfile
from pathlib import Path

import pytest

from mooring.engine.orders import DeployOrder, encode_order
from mooring.errors import StateDamaged
from mooring.model.deployment import Deployment, Trigger
from mooring.model.environment import EnvironmentId
from mooring.model.names import DeploymentId, ServerName, ServiceName
from mooring.model.records import EnvironmentRecord
from mooring.model.release import Source
from mooring.model.secret import Secret
from mooring.model.service import Piece, ServiceKind, ServiceRecord
from mooring.server import settings as kept
from mooring.server.chores import bound_logs, guard_supervisor, sweep_uploads
from mooring.server.installation import Installation
from mooring.server.logs import JsonLines
from mooring.server.machinery import Machinery
from mooring.server.redaction import Redactors
from mooring.server.settings import Settings
from mooring.server.turns import one_at_a_time
from mooring.store.memory import SqliteMemory

SHOP = EnvironmentId.parse("shop")


@pytest.fixture
def memory(tmp_path: Path):
    opened = SqliteMemory.open(tmp_path)
    opened.save_environment(EnvironmentRecord(environment=SHOP, created_at=1.0))
    yield opened
    opened.close()


def test_a_secret_is_redacted_from_the_moment_it_is_set_and_after_it_was_replaced(memory: SqliteMemory) -> None:
    secrets = Redactors(memory)
    for value in ("first-value", "second-value"):
        memory.put_config(SHOP, changes={"KEY": Secret(value)}, by="anna", at=1.0)
        secrets.changed(SHOP)
    assert secrets.redact(SHOP, "first-value second-value third-value") == "[redacted] [redacted] third-value"
    assert secrets.redact(EnvironmentId.parse("blog"), "first-value") == "first-value"
    assert secrets.redact_all("first-value") == "[redacted]"


def test_the_secret_of_a_buckets_key_is_redacted_without_its_id_too(memory: SqliteMemory) -> None:
    piece = Piece("c0ffee", SHOP, ServiceName("files"))
    record = ServiceRecord(piece=piece, kind=ServiceKind.BUCKET, server=ServerName("files"), login="m_1")
    memory.save_service(record, {"m_1": Secret("KEY-OF-SHOP:its-long-secret")})
    assert Redactors(memory).redact(SHOP, "KEY-OF-SHOP its-long-secret KEY-OF-SHOP:its-long-secret") == "KEY-OF-SHOP [redacted] [redacted]"


def test_where_the_secrets_cannot_be_read_nothing_is_logged_but_that(memory: SqliteMemory, tmp_path: Path) -> None:
    memory.put_config(SHOP, changes={"KEY": Secret("first-value")}, by="anna", at=1.0)
    (tmp_path / "secrets.key").write_bytes(b"garbled")
    line = Redactors(memory).redact_all("the value is first-value")
    assert "first-value" not in line
    assert json.loads(line)["code"] == "state-damaged"


def test_a_line_of_the_log_is_json_with_its_fields_and_trace() -> None:
    formatter = JsonLines(lambda text: text.replace("hidden", "[redacted]"))
    try:
        raise ValueError("a hidden thing")
    except ValueError:
        record = logging.LogRecord("mooring", logging.ERROR, __file__, 1, "it broke: %s", ("hidden",), sys.exc_info())
    record.fields = {"path": "/v1/x\ny"}
    line = formatter.format(record)
    assert "\n" not in line
    decoded = json.loads(line)
    assert (decoded["event"], decoded["path"], decoded["level"]) == ("it broke: [redacted]", "/v1/x\ny", "error")
    assert "a [redacted] thing" in decoded["trace"]


def test_a_text_of_the_log_is_cut_only_after_it_was_redacted() -> None:
    """Cut first, half a secret would be left at the cut, which nobody recognises."""
    formatter = JsonLines(lambda text: text.replace("hidden", "[redacted]"))
    for filling in range(15_995, 16_001):
        record = logging.LogRecord("mooring", logging.ERROR, __file__, 1, "x" * filling + "hidden", (), None)
        record.fields = {"path": "x" * (filling - 14_000) + "hidden"}
        assert "hid" not in formatter.format(record)


def test_uploads_that_no_deployment_waits_for_are_removed(memory: SqliteMemory, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    waited, left = uploads / "waited.tar", uploads / "left.tar"
    for path in (waited, left):
        path.write_bytes(b"x")
    order = encode_order(DeployOrder(archive=str(waited), origin=Source(digest="d")))
    memory.add_deployment(
        Deployment(
            id=DeploymentId("d1"), environment=SHOP, number=1, trigger=Trigger.DEPLOY, requested_at=1.0, requested_by="anna", order=order
        )
    )
    assert sweep_uploads(uploads, memory) == 1
    assert list(uploads.iterdir()) == [waited]


async def test_a_dead_supervisor_is_started_but_not_while_somebody_stops_or_starts_the_platform() -> None:
    with tempfile.TemporaryDirectory(prefix="m-", dir="/tmp") as place:
        installation = Installation(Path(place))
        machinery = Machinery(installation)
        try:
            with one_at_a_time(installation.state):
                await guard_supervisor(installation, machinery)
            assert not machinery.supervisor.is_running()
            await guard_supervisor(installation, machinery)
            assert machinery.supervisor.is_running()
        finally:
            await machinery.shut_down()


def test_a_log_that_grew_too_large_begins_anew_and_keeps_its_newest_part_beside(tmp_path: Path) -> None:
    log = tmp_path / "controller.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old" * 100 + b"new")
        bound_logs(tmp_path, at_most=100)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    beside = tmp_path / "controller.log.1"
    assert beside.read_bytes().endswith(b"oldnew")
    assert len(beside.read_bytes()) == 50
    assert stat.S_IMODE(beside.stat().st_mode) == 0o600


def test_settings_are_kept_and_damaged_ones_are_not_guessed(tmp_path: Path) -> None:
    assert kept.load(tmp_path) == Settings()
    kept.save(tmp_path, Settings(http_port=9080))
    assert kept.load(tmp_path) == Settings(http_port=9080)
    assert stat.S_IMODE((tmp_path / kept.FILE).stat().st_mode) == 0o600
    for content in ("", "{", '{"htp_port": 1}', '{"http_port": "x"}'):
        (tmp_path / kept.FILE).write_text(content)
        with pytest.raises(StateDamaged, match="settings cannot be read"):
            kept.load(tmp_path)
