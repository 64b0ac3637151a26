"""The published files that are made from the table of keys. Run as a program, it writes them anew."""

from __future__ import annotations

import json
from pathlib import Path

from mooring.manifest import json_schema, reference_page

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


def pages() -> dict[Path, str]:
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    return {REFERENCE / "manifest.md": reference_page(), REFERENCE / "mooring.schema.json": schema}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
