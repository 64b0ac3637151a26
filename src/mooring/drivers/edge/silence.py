"""When a host that says nothing counts as gone, for every proxy alike. Must not: know a proxy.

A cut cable is as quiet as an app that thinks. The host's kernel answers while its app does not: it is asked whether it is still there
(SO_KEEPALIVE), and it acknowledges what is sent to it (TCP_USER_TIMEOUT). Where it does neither, the request is lost, and its client is
told so. Source: tcp(7).
"""

from __future__ import annotations

ASKED_AFTER = 5  # seconds of silence before the kernel at the other end is asked for the first time
ASKED_EVERY = 2  # seconds between two questions
GONE_AFTER = 15  # seconds without an answer or an acknowledgement after which the connection is given up
TCP_LEVEL, TCP_USER_TIMEOUT = 6, 18  # Linux: <netinet/tcp.h>; the socket module has the second one on Linux only
