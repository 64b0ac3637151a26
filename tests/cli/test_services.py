"""mooring service: addresses come from a pipe, dumps are never overwritten, what cannot be undone is confirmed by name."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from console import mooring
from fake_platform import SHOP, FakePlatform
from fake_services import a_status

from mooring.model.host import Finding, Weight
from mooring.model.secret import Secret
from mooring.model.service import Owned, ServiceKind
from mooring.usecases.answers import ServerStatus

ADDRESS = "postgresql://admin:sesame@db.test:5432/postgres"


@pytest.fixture(autouse=True)
def _there_is_a_service(platform: FakePlatform) -> None:
    platform.owned[SHOP, "db"] = a_status(SHOP)
    platform.stored[SHOP, "db"] = b"what was there"


def test_a_servers_address_comes_from_a_pipe_and_is_not_shown(platform: FakePlatform) -> None:
    answer = mooring("service", "add-server", "main", "--type", "postgres", platform=platform, stdin=f"{ADDRESS}\n".encode())
    assert answer.code == 0, answer.err
    assert platform.addresses["main"] == Secret(ADDRESS)
    assert "services can come from main now" in answer.out
    assert "sesame" not in answer.out + answer.err


def test_without_an_address_it_says_how_to_give_one(platform: FakePlatform) -> None:
    answer = mooring("service", "add-server", "main", "--type", "postgres", platform=platform)
    assert answer.code == 2
    assert "| mooring service add-server main --type postgres" in " ".join(answer.err.split())
    assert platform.addresses == {}


def test_of_an_accessory_no_address_is_asked_for(platform: FakePlatform) -> None:
    answer = mooring("service", "add-server", "cache", "--type", "redis", "--accessory", "data/production.redis", platform=platform)
    assert answer.code == 0, answer.err
    assert platform.addresses["cache"].reveal() == ""
    assert "data/production.redis" in mooring("service", "servers", platform=platform).out


def test_servers_are_shown_with_what_is_not_good_about_them(platform: FakePlatform) -> None:
    assert "mooring service add-server" in mooring("service", "servers", platform=platform).out
    added = platform.add_server("main", ServiceKind.POSTGRES, Secret(ADDRESS))
    finding = Finding(subject="isolation", weight=Weight.FAULT, said="every role may connect to postgres", hint="REVOKE CONNECT …")
    platform.statuses["main"] = msgspec.structs.replace(added, findings=(finding,), services=("shop/production/db",))
    shown = mooring("service", "servers", platform=platform)
    assert shown.code == 0
    for word in ("main", "postgres", "db.test:5432", "15.18", "shop/production/db", "isolation: every role", "REVOKE CONNECT"):
        assert word in shown.out
    platform.statuses["main"] = ServerStatus(server=added.server, error="no answer")
    assert mooring("service", "servers", platform=platform).code == 1
    assert "main is forgotten" in mooring("service", "rm-server", "main", platform=platform).out


def test_services_are_listed_and_ls_may_be_left_out(platform: FakePlatform) -> None:
    for words in (("service", "ls"), ("service",)):
        shown = mooring(*words, platform=platform)
        assert shown.code == 0
        for word in ("db", "postgres", "main", "m_shop_product", "7.6 MB", "ready"):
            assert word in shown.out
    platform.owned[SHOP, "db"] = a_status(SHOP, logins=2)
    assert "rotating" in mooring("service", "ls", platform=platform).out
    platform.owned[SHOP, "db"] = a_status(SHOP, is_ready=False)
    assert "not finished" in mooring("service", "ls", platform=platform).out
    platform.owned.clear()
    assert "No services" in mooring("service", "ls", platform=platform).out


def test_a_rotation_is_followed_to_its_end(platform: FakePlatform) -> None:
    mooring("deploy", platform=platform)
    platform.releases_of.setdefault(SHOP, [])
    answer = mooring("service", "rotate", "db", platform=platform)
    assert answer.code == 0, answer.err
    assert "Changing a password of shop/production" in answer.out + answer.err


def test_a_dump_is_a_new_file_0600_and_never_overwritten(platform: FakePlatform, tmp_path: Path) -> None:
    place = tmp_path / "shop.dump"
    assert mooring("service", "dump", "db", str(place), platform=platform).code == 0
    assert (place.read_bytes(), place.stat().st_mode & 0o777) == (b"what was there", 0o600)
    again = mooring("service", "dump", "db", str(place), platform=platform)
    assert (again.code, "exists already" in again.err) == (2, True)
    failed = mooring("service", "dump", "other", str(tmp_path / "other.dump"), platform=platform)
    assert failed.code == 2
    assert not (tmp_path / "other.dump").exists()


def test_a_restore_is_confirmed_by_the_services_full_name(platform: FakePlatform, tmp_path: Path) -> None:
    place = tmp_path / "shop.dump"
    place.write_bytes(b"from before")
    refused = mooring("service", "restore", "db", str(place), platform=platform)
    assert (refused.code, "--confirm shop/production/db" in refused.err) == (2, True)
    assert platform.stored[SHOP, "db"] == b"what was there"
    assert mooring("service", "restore", "db", str(place), "--confirm", "shop/production/db", platform=platform).code == 0
    assert platform.stored[SHOP, "db"] == b"from before"
    assert mooring("service", "restore", "db", str(tmp_path / "none"), platform=platform).code == 2


def test_removing_is_confirmed_by_the_full_name_typed_at_a_terminal_or_said(platform: FakePlatform) -> None:
    for words, typed in ((("--confirm", "db"), b""), ((), b"no\n")):
        assert mooring("service", "rm", "db", *words, platform=platform, stdin=typed, is_terminal=bool(typed)).code == 2
    assert platform.owned
    gone = mooring("service", "rm", "db", platform=platform, stdin=b"shop/production/db\n", is_terminal=True)
    assert (gone.code, platform.owned) == (0, {})


def test_destroying_says_whether_services_go_too(platform: FakePlatform) -> None:
    mooring("deploy", platform=platform)
    mooring("destroy", "--services", "--confirm", "shop", platform=platform)
    assert platform.is_destroyed_with_services


def test_what_nobody_owns_on_a_server_is_shown_with_what_to_type(platform: FakePlatform) -> None:
    piece = a_status(SHOP).record.piece
    added = platform.add_server("main", ServiceKind.POSTGRES, Secret(ADDRESS))
    platform.statuses["main"] = msgspec.structs.replace(added, orphans=(Owned(what="role", name=f"{piece.identity}_1", piece=piece),))
    shown = " ".join(mooring("service", "servers", platform=platform).out.split())
    assert f"main: nobody owns role {piece.identity}_1, which was made for {SHOP}/db" in shown
    way = f"--app {SHOP.app} -e {SHOP.environment} --confirm {SHOP}/db"
    assert f"`mooring service rm db {way}` removes it" in shown
