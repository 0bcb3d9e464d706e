"""Steps as this version stores them: `stored_steps.json`, one of every kind and version. `python -m tests.stored_steps`

It adds what is not there and changes nothing that is: somebody's project holds Steps like these. A kind whose version
rises gets another line beside its old one.
"""

import json
from pathlib import Path

import synthstudio.steps  # noqa: F401 - fills the table of kinds
from synthstudio.step import STEPS, build
from tests.examples import EXAMPLES

FILE = Path(__file__).with_suffix(".json")
STORED: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def key(kind: str) -> str:
    """'adapt.lora 2'."""
    return f"{kind} {STEPS[kind].version}"


def main() -> None:
    """Add the examples of kinds and versions that are not stored yet."""
    for kind, fields in EXAMPLES.items():
        step = build(kind, fields)
        STORED.setdefault(key(kind), {"id": step.id, "step": step.to_json()})
    FILE.write_text(json.dumps(dict(sorted(STORED.items())), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
