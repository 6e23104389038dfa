"""The program: reads a story, tries its cuts, and prints what came of it as JSON."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from . import cuts
from .story import Story


def main() -> int:
    """Exit code 1 means that something failed; the report says what."""
    parser = argparse.ArgumentParser(prog="emulator", description=__doc__)
    parser.add_argument("story", type=Path, help="story.json; its files stand beside it")
    parser.add_argument("--cuts", default="0", help="so many, or `all`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    number = None if options.cuts == "all" else int(options.cuts)
    report = cuts.run(Story.read(options.story), number, options.seed, options.jobs)
    print(json.dumps(asdict(report)))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
