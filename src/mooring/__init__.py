"""Mooring: deploys a team's web apps on the team's own servers, and proves each deploy."""

__version__ = "0.1.0"
