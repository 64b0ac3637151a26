"""One target under Atheris, without end: `python tests/fuzz/campaign.py mooring-toml FOLDER [LIBFUZZER OPTIONS]`.

FOLDER gets the seeds and whatever reaches a new branch; an input that a reader fails on is written there as `crash-…`. Put that file into
`corpus/TARGET` with the reader mended: it is read on every run of the tests from then on. Source of the options:
https://llvm.org/docs/LibFuzzer.html#options
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))
with atheris.instrument_imports(include=["mooring", "tomllib"]):
    from fuzz.targets import TARGETS, seeds

    from mooring.manifest.keys.table import KEYS


def main(target: str, folder: Path, options: list[str]) -> None:
    """Ends the process: with 0 after `-runs` or `-max_total_time`, otherwise at the first fault."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{word}"\n' for word in sorted({part for path in KEYS for part in path.split(".")})))
    limits = ["-timeout=20", "-rss_limit_mb=2000", "-max_len=4096", f"-dict={words}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *limits, *options, str(corpus)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
