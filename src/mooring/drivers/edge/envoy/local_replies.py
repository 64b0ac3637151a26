"""How Envoy words what it must answer itself: pages for people, problem documents for programs, always marked as the edge's own.

Must not: touch an app's answers.
"""

from __future__ import annotations

from mooring.drivers.edge.pages import (
    EDGE_HEADER,
    FAILED,
    HTML_PATTERN,
    HTML_TYPE,
    JSON_PATTERN,
    JSON_TYPE,
    NOT_FROM_HERE,
    NOT_UNDERSTOOD,
    PASSWORD_WANTED,
    SEND_AGAIN,
    TIMED_OUT,
    TOO_LARGE,
    Message,
    problem,
    render_html,
    render_json,
)

Json = dict[str, object]

WANTS_JSON: list[Json] = [
    {"name": "accept", "string_match": {"safe_regex": {"regex": JSON_PATTERN}}},
    {"name": "accept", "string_match": {"safe_regex": {"regex": HTML_PATTERN}}, "invert_match": True},
]

UPSTREAM_FLAGS = ["UF", "UH", "UO", "UC", "UR", "URX", "UT", "LR", "LH", "SI", "DT", "UMSDR", "UPE", "NC", "NR", "OM"]


def local_replies() -> Json:
    """Envoy's local_reply_config. What a route answers by itself (maintenance, no such app) brings its own body and passes unchanged."""
    return {
        "mappers": [
            *_both(NOT_FROM_HERE, _status_is(403)),
            *_both(PASSWORD_WANTED, _status_is(401)),
            *_both(TOO_LARGE, _status_is(413)),
            *_both(SEND_AGAIN, _status_is(507), status=503),  # it would have been sent to another instance, but was too large to be kept
            *_both(TIMED_OUT, {"and_filter": {"filters": [_status_is(504), _upstream_failed()]}}),
            *_both(FAILED, {"and_filter": {"filters": [_status_from(500), _upstream_failed()]}}),
            *_both(NOT_UNDERSTOOD, {"response_flag_filter": {"flags": ["DPE", "IH"]}}),
        ]
    }


def direct(message: Message, match: Json, *, name: str, host: str = "") -> list[Json]:
    """Two routes that answer by themselves, the first to whom asked for JSON."""
    headers = message_headers(message)
    as_json: Json = {
        "name": name,
        "match": {**match, "headers": WANTS_JSON},
        "direct_response": {"status": message.status, "body": {"inline_string": render_json(message)}},
        "response_headers_to_add": [*headers, _set("content-type", JSON_TYPE)],
    }
    as_page: Json = {
        "name": name,
        "match": match,
        "direct_response": {"status": message.status, "body": {"inline_string": render_html(message, host=host)}},
        "response_headers_to_add": [*headers, _set("content-type", HTML_TYPE)],
    }
    return [as_json, as_page]


def message_headers(message: Message) -> list[Json]:
    retry = [_set("retry-after", str(message.retry_after))] if message.retry_after else []
    return [_set(EDGE_HEADER, message.kind), _set("cache-control", "no-store"), *retry]


def _both(message: Message, condition: Json, *, status: int | None = None) -> list[Json]:
    """For programs and for people; `status` in place of Envoy's own."""
    changed: Json = {"status_code": status} if status else {}
    wanted: list[Json] = [{"header_filter": {"header": header}} for header in WANTS_JSON]
    as_json = {"and_filter": {"filters": [*wanted, condition]}}
    headers = message_headers(message)
    return [
        {
            "filter": as_json,
            **changed,
            "headers_to_add": headers,
            "body_format_override": {"json_format": {**problem(message), "status": "%RESPONSE_CODE%"}, "content_type": JSON_TYPE},
        },
        {
            "filter": condition,
            **changed,
            "headers_to_add": headers,
            "body_format_override": {
                "text_format_source": {"inline_string": render_html(message).replace("%", "%%")},
                "content_type": HTML_TYPE,
            },
        },
    ]


def _set(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _status_is(status: int) -> Json:
    value = {"default_value": status, "runtime_key": f"mooring.edge.status_{status}"}
    return {"status_code_filter": {"comparison": {"op": "EQ", "value": value}}}


def _status_from(status: int) -> Json:
    value = {"default_value": status, "runtime_key": f"mooring.edge.from_{status}"}
    return {"status_code_filter": {"comparison": {"op": "GE", "value": value}}}


def _upstream_failed() -> Json:
    return {"response_flag_filter": {"flags": UPSTREAM_FLAGS}}
