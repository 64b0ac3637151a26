"""Moving over from another tool: its file becomes a mooring.toml, and a table that accounts for every key of it.

A file per dialect; `reasons.py` and the tables beside it say what has no place in Mooring, or not yet.
Must not: open a file, or show the value of a secret.
"""

from mooring.manifest.moving.dialects import DIALECTS, Dialect, dialect_of, translate
from mooring.manifest.moving.translation import Outcome, Row, Translation

__all__ = ["DIALECTS", "Dialect", "Outcome", "Row", "Translation", "dialect_of", "translate"]
