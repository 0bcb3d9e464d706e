"""Own a project until one Step is done: `python -m tests.campaign.owner HOME STEP`. Made to be killed."""

import sys
from pathlib import Path

from synthstudio.jobs import Studio
from synthstudio.step import from_json
from tests.campaign.world import PROJECT, finish


def main() -> None:
    """Until the Step is done, or somebody kills us."""
    with Studio(Path(sys.argv[1]), PROJECT) as studio:
        finish(studio, from_json(sys.argv[2]))


if __name__ == "__main__":
    main()
