"""The daemon: the HTTP API over the use cases, its wiring, and what starts and stops it."""
