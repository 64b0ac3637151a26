"""What a person and a script can do with minitwit, over HTTP."""

import re
import struct
import zlib

import httpx
import pytest

PASSWORD = "correct horse"


class Browser:
    """Fills in forms as a browser does: with the token of the page."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, follow_redirects=True, timeout=10)

    def get(self, path):
        return self.http.get(path)

    def submit(self, page, action, *, picture=None, **fields):
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)[1]
        files = {"picture": ("any name.exe", picture, "application/x-anything")} if picture else None
        return self.http.post(action, data=fields | {"csrf_token": token}, files=files)

    def register(self, name):
        answer = self.submit("/register", "/register", name=name, password=PASSWORD)
        assert answer.status_code == 200, answer.text
        return self


def png(width=4, height=4):
    """A valid grey PNG."""

    def chunk(kind, content):
        return struct.pack("!I", len(content)) + kind + content + struct.pack("!I", zlib.crc32(kind + content))

    rows = zlib.compress((b"\0" + b"\x80" * width) * height, 1)
    head = struct.pack("!IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def web(shared_web):
    return shared_web


def test_two_people_register_post_and_follow(web):
    ada, grace = Browser(web.url).register("ada"), Browser(web.url).register("grace")

    assert grace.submit("/", "/posts", text="Found a moth & a <b>bug</b>").status_code == 200
    assert "Found a moth &amp; a &lt;b&gt;bug&lt;/b&gt;" in ada.get("/public").text
    assert "Found a moth" not in ada.get("/").text

    ada.submit("/people/grace", "/people/grace/follow")
    assert "Found a moth" in ada.get("/").text
    assert re.search(r"<b>1</b>\s+follower\b", ada.get("/people/grace").text)

    ada.submit("/people/grace", "/people/grace/unfollow")
    assert "Found a moth" not in ada.get("/").text


def test_signing_in_again_needs_the_right_password(web):
    Browser(web.url).register("linus")
    browser = Browser(web.url)
    wrong = browser.submit("/login", "/login", name="linus", password="wrong horse")
    assert (wrong.status_code, "Name or password is wrong." in wrong.text) == (401, True)
    browser.submit("/login", "/login", name="Linus", password=PASSWORD)
    assert "Log out" in browser.get("/").text
    browser.submit("/", "/logout")
    assert "Log in" in browser.get("/").text


def test_a_form_without_the_token_of_its_page_is_refused(web):
    mallory = Browser(web.url).register("mallory")
    assert mallory.http.post("/posts", data={"text": "forged"}).status_code == 400
    assert mallory.http.post("/posts", data={"text": "forged", "csrf_token": "x"}).status_code == 400
    assert "forged" not in mallory.get("/public").text


def test_a_picture_is_kept_by_its_hash_and_served_by_its_own_type(web):
    vivian = Browser(web.url).register("vivian")
    page = vivian.submit("/", "/posts", text="look", picture=png()).text
    path = re.search(r'href="(/pictures/[0-9a-f]{40}\.png)"', page)[1]

    answer = vivian.get(path)
    assert answer.content == png()
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert vivian.get(path + "/thumbnail").headers["cache-control"] == "no-store"
    assert vivian.get("/pictures/..%2fsecret-key").status_code == 404


def test_what_is_no_picture_or_too_large_is_refused(web):
    petra = Browser(web.url).register("petra")
    pictures = {
        "no picture": b"<svg onload=alert(1)>",
        "just too large": png() + b"0" * 5 * 1024 * 1024,
        "too large to read": png() + b"0" * 7 * 1024 * 1024,
    }
    statuses = [petra.submit("/", "/posts", text="refused", picture=picture).status_code for picture in pictures.values()]
    assert statuses == [415, 413, 413]
    assert "refused" not in petra.get("/people/petra").text


def test_the_worker_makes_thumbnails_and_notes_mentions(minitwit):
    release = minitwit()
    web, worker = release.web(), release.worker()
    ada, grace = Browser(web.url).register("ada"), Browser(web.url).register("grace")
    page = grace.submit("/", "/posts", text="@ada @nobody look", picture=png(900, 600)).text
    path = re.search(r'href="(/pictures/\w+\.png)"', page)[1]

    worker.wait_until(lambda: worker.text.count("job-finished") == 2, "two finished jobs")
    assert ada.get(path + "/thumbnail").headers["content-type"] == "image/webp"
    assert "look" in ada.get("/mentions").text
    assert "look" not in grace.get("/mentions").text


def test_health_metrics_and_version_tell_what_is_so(minitwit):
    web = minitwit("1.2.3").web()
    ada = Browser(web.url).register("ada")
    ada.submit("/", "/posts", text="counted")
    assert ada.get("/health").json() == {"status": "healthy", "version": "1.2.3", "database": "sqlite"}
    assert ada.get("/version").json() == {"version": "1.2.3"}
    assert "minitwit 1.2.3" in ada.get("/").text
    metrics = ada.get("/metrics").text
    assert "minitwit_posts_total 1.0" in metrics
    assert 'minitwit_build_info{version="1.2.3"} 1.0' in metrics
    assert 'minitwit_requests_total{method="POST",route="/posts",status="302"} 1.0' in metrics


def test_every_request_is_one_line_of_json_under_the_id_it_came_with(web):
    answer = httpx.get(web.url + "/public", headers={"X-Request-Id": "abc-123"})
    forged = httpx.get(web.url + "/public", headers={"X-Request-Id": 'a"b'})
    assert answer.headers["x-request-id"] == "abc-123"
    assert answer.headers["x-minitwit-version"] == "1.2.3"
    assert re.fullmatch(r"[0-9a-f]{32}", forged.headers["x-request-id"])
    (line,) = [line for line in web.log if line.get("request_id") == "abc-123"]
    assert {"time", "level", "event", "route", "milliseconds"} <= line.keys()
    assert (line["path"], line["status"]) == ("/public", 200)


def test_the_api_refuses_in_json_with_the_fitting_status(web):
    http = httpx.Client(base_url=web.url + "/api")
    account = {"name": "barbara", "password": PASSWORD}
    token = http.post("/register", json=account).json()["token"]
    me = {"Authorization": f"Bearer {token}"}
    assert http.post("/posts", json={"text": "hello"}, headers=me).status_code == 201
    refused = {
        "taken": http.post("/register", json=account),
        "short password": http.post("/register", json={"name": "bob", "password": "x"}),
        "no JSON": http.post("/register", content=b"{"),
        "no field": http.post("/posts", json={}, headers=me),
        "no token": http.post("/posts", json={"text": "x"}),
        "too long": http.post("/posts", json={"text": "x" * 281}, headers=me),
        "unknown": http.post("/follow", json={"name": "nobody"}, headers=me),
        "oneself": http.post("/follow", json={"name": "barbara"}, headers=me),
        "no such path": http.get("/nothing"),
        "no such method": http.patch("/posts"),
    }
    assert [answer.status_code for answer in refused.values()] == [409, 400, 400, 400, 401, 400, 404, 400, 404, 405]
    assert all({"code", "message"} == answer.json()["error"].keys() for answer in refused.values())
