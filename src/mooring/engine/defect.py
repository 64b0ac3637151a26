"""What is told of a defect of Mooring's own, for whoever mends it. Must not: be used for an error that says itself what to do."""

from __future__ import annotations

import traceback


def traced(error: Exception) -> str:
    """The innermost two calls of its trace, and what it says."""
    return "".join(traceback.format_exception(error)[-3:])
