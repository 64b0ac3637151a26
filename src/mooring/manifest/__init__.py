"""What an app's files ask for: mooring.toml, Procfile, app.json and .python-version become one manifest, or every problem at once.

Everything about a key comes from the one table in `keys`: its validation, its default, `mooring explain`, the reference page,
and the JSON Schema. Must not: open a file, or know who asks.
"""

from mooring.manifest.branches import branches_of, checks_of, pull_rules_of, review_branches_of
from mooring.manifest.explain import explain
from mooring.manifest.json_schema import json_schema
from mooring.manifest.manifest import Manifest, Setting
from mooring.manifest.reading import app_name_of, read
from mooring.manifest.reference import reference_page
from mooring.manifest.sources import APP_JSON, FILES, root_of
from mooring.manifest.starter import Detected, starter

__all__ = [
    "APP_JSON",
    "FILES",
    "Detected",
    "Manifest",
    "Setting",
    "app_name_of",
    "branches_of",
    "checks_of",
    "explain",
    "json_schema",
    "pull_rules_of",
    "read",
    "reference_page",
    "review_branches_of",
    "root_of",
    "starter",
]
