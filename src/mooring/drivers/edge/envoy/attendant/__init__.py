"""The small program beside Envoy that needs no controller: it holds requests until an instance is ready, and hands out certificates.

It reads the same files that Envoy's are derived from and changes nothing. When it is away, requests that would have been held get
the edge's own page, and certificates that were shown once are still shown.
"""
