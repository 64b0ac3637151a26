"""The edge's own pages say what a person needs, and escape what they are given."""

from __future__ import annotations

import json

import pytest

from mooring.drivers.edge.pages import PAGES, prefers_json, render_html, render_json
from mooring.model.routing import Page


@pytest.mark.parametrize("page", list(Page))
def test_every_situation_has_a_page_of_its_own(page: Page) -> None:
    html = render_html(PAGES[page])
    assert f"<h1>{PAGES[page].title}</h1>" in html
    assert PAGES[page].text in html
    assert len({message.text for message in PAGES.values()}) == len(Page)


def test_a_hostile_host_is_shown_as_text() -> None:
    html = render_html(PAGES[Page.STARTING], host="<script>alert(1)</script>\"'&")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;" in html


def test_a_page_loads_nothing_from_elsewhere() -> None:
    for message in PAGES.values():
        html = render_html(message).replace('<link rel="icon" href="data:,">', "")
        assert not any(word in html for word in ("http://", "https://", "src=", "href=", "url(", "<script"))


def test_a_page_keeps_the_browser_from_asking_for_an_icon_which_would_wait_for_the_app_or_wake_it() -> None:
    for message in PAGES.values():
        assert render_html(message).count('<link rel="icon" href="data:,">') == 1


def test_a_long_hostname_wraps_on_a_narrow_screen() -> None:
    style, _, _ = render_html(PAGES[Page.WAKING], host="x" * 60).partition("</style>")
    assert "overflow-wrap:anywhere" in style


def test_only_what_ends_by_itself_reloads() -> None:
    reloading = {page for page in Page if 'http-equiv="refresh"' in render_html(PAGES[page])}
    assert reloading == {Page.STARTING, Page.WAKING, Page.NO_ROOM, Page.CRASHED}


def test_a_program_reads_the_same_as_a_problem_document() -> None:
    document = json.loads(render_json(PAGES[Page.MAINTENANCE]))
    assert (document["status"], document["error"], document["title"]) == (503, "maintenance", "Maintenance")


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("application/vnd.api+json;q=0.9", True),
        ("application/problem+json, */*", True),
        ("TEXT/JSON", True),
        ("text/html,application/json", False),
        ("text/html", False),
        ("*/*", False),
        ("", False),
        ("application/jsonp", False),
    ],
)
def test_who_asks_for_json_gets_json_unless_a_page_would_do(accept: str, is_json: bool) -> None:
    assert prefers_json(accept) is is_json
