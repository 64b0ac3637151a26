"""How minitwit's processes behave when a platform replaces, doubles and stops them."""

import concurrent.futures
import json
import socket
import sqlite3
import stat
import subprocess
from datetime import UTC, datetime

import httpx
import pytest


def registered(url, name):
    """A client of the API that is signed in."""
    token = httpx.post(url + "/api/register", json={"name": name, "password": "correct horse"}).json()["token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20)


def add_job(database, kind, subject):
    database.execute("INSERT INTO jobs (kind, subject, state, attempts, due_at) VALUES (?, ?, 'waiting', 0, 0)", [kind, subject])


def test_the_release_command_applies_each_migration_once(minitwit, data_directory):
    release = minitwit()
    again = release.release()
    assert [line["event"] for line in again] == ["schema-ready"]
    with sqlite3.connect(data_directory / "minitwit.db") as database:
        assert database.execute("SELECT version FROM schema_versions").fetchall() == [(1,), (2,), (3,)]


def test_without_a_schema_health_says_what_to_run(minitwit, data_directory):
    web = minitwit().web()
    with sqlite3.connect(data_directory / "minitwit.db") as database:
        database.execute("DELETE FROM schema_versions WHERE version = 3")
    answer = httpx.get(web.url + "/health")
    assert answer.status_code == 503
    assert "python -m minitwit.release" in answer.json()["problem"]


def test_the_generated_secret_key_is_private_and_outlives_a_release(minitwit, data_directory):
    minitwit("1.0.0")
    key = data_directory / "secret-key"
    first = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [line["event"] for line in minitwit("2.0.0").release()] == ["schema-ready"]
    assert key.read_text() == first


def test_two_releases_write_to_one_sqlite_file_side_by_side(minitwit):
    webs = [minitwit("1.0.0").web(), minitwit("2.0.0").web()]
    clients = [registered(web.url, f"writer{number}") for number, web in enumerate(webs)]

    def write(number):
        """Posting only writes; following reads and then writes, which SQLite may refuse when another has written between."""
        client, other = clients[number % 2], f"writer{1 - number % 2}"
        posted = client.post("/api/posts", json={"text": f"post {number} for @writer0"})
        followed = client.request("POST" if number % 4 < 2 else "DELETE", "/api/follow", json={"name": other})
        return posted.status_code, followed.status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(write, range(200)))
    assert statuses == [(201, 200)] * 200
    counts = [clients[0].get(f"/api/people/writer{number}").json()["posts"] for number in (0, 1)]
    assert counts == [100, 100]
    assert {client.get("/version").json()["version"] for client in clients} == {"1.0.0", "2.0.0"}


def test_a_request_under_way_at_sigterm_is_answered_and_kept(minitwit):
    release = minitwit()
    web = release.web()
    client = registered(web.url, "ada")
    body = json.dumps({"text": "sent slowly"}).encode()
    head = "\r\n".join(
        [
            "POST /api/posts HTTP/1.1",
            "Host: localhost",
            f"Authorization: {client.headers['Authorization']}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "\r\n",
        ]
    ).encode()
    with socket.create_connection(("127.0.0.1", int(web.url.rpartition(":")[2])), timeout=10) as connection:
        connection.sendall(head + body[:5])
        # The server must have begun to read it; from outside, only time can tell.
        web.wait_until(lambda: httpx.get(web.url + "/health").status_code == 200, "answer beside the slow request")
        web.terminate()
        web.wait_until(lambda: "Handling signal: term" in web.text, "reaction to SIGTERM")
        connection.sendall(body[5:])
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 201")
    assert web.wait() == 0
    assert httpx.get(release.web().url + "/api/people/ada").json()["posts"] == 1


def test_the_worker_finishes_the_job_at_hand_on_sigterm_and_takes_no_other(minitwit, minitwit_python, data_directory):
    release = minitwit()
    # Large enough to take a while: 49 million pixels, two of them waiting.
    code = "from PIL import Image; [Image.new('RGB', (7000, 7000)).save(f'{n * 40}.png', compress_level=1) for n in 'ab']"
    subprocess.run([minitwit_python, "-c", code], cwd=data_directory / "pictures", check=True)
    with sqlite3.connect(data_directory / "minitwit.db") as database:
        for name in ("a" * 40, "b" * 40):
            add_job(database, "thumbnail", f"{name}.png")
    worker = release.worker()
    worker.wait_until(lambda: "job-started" in worker.text, "started job")
    asked = datetime.now(UTC)
    worker.terminate()
    assert worker.wait() == 0
    assert [line["event"] for line in worker.log] == ["worker-started", "job-started", "job-finished", "worker-stopped"]
    assert datetime.fromisoformat(worker.log[2]["time"]) > asked
    with sqlite3.connect(data_directory / "minitwit.db") as database:
        assert database.execute("SELECT subject, state FROM jobs").fetchall() == [("b" * 40 + ".png", "waiting")]


@pytest.mark.parametrize("kind", ["thumbnail", "mentions", "unheard-of"])
def test_a_job_that_cannot_be_done_is_put_back_and_the_worker_goes_on(minitwit, data_directory, kind):
    release = minitwit()
    with sqlite3.connect(data_directory / "minitwit.db") as database:
        add_job(database, kind, "99")
    worker = release.worker()
    worker.wait_until(lambda: "job-failed" in worker.text, "failed job")
    worker.terminate()
    assert worker.wait() == 0
    with sqlite3.connect(data_directory / "minitwit.db") as database:
        assert database.execute("SELECT state, attempts FROM jobs").fetchall() == [("waiting", 1)]
