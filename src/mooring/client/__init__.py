"""Speaks to a running platform over its Unix socket or HTTPS. Knows the API, never the server's code."""
