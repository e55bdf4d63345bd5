"""`python -m bench [--plan full|quick|tiny] [--only PART …]`: measure, print, write it down."""

import argparse
import sys
from pathlib import Path

import msgspec

from .pictures import draw
from .plan import PLANS
from .report import table
from .run import PARTS, run

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Run a plan; a full one makes the documentation's pictures and figures anew, too."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--plan", choices=PLANS, default="full")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    words = parser.parse_args()
    if sys.platform != "linux":
        parser.error("processes are measured and bound to cores as Linux does it, and only there")
    results = run(PLANS[words.plan], lambda text: print(text, flush=True), words.only)
    words.out.mkdir(parents=True, exist_ok=True)
    written = msgspec.json.format(msgspec.json.encode(results), indent=2)
    (words.out / "results.json").write_bytes(written)
    text = table(results)
    (words.out / "results.md").write_text(text, encoding="utf-8")
    drawn = draw(results, words.out)
    if words.plan == "full" and words.only == PARTS:
        drawn += draw(results, ROOT / "docs" / "pictures")
        (ROOT / "docs" / "explanation" / "figures.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    print(f"{words.out}/results.json, results.md, and {len(drawn)} pictures")


if __name__ == "__main__":
    main()
