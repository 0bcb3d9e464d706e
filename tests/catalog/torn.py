"""Die between the journal and the catalog: `python -m tests.catalog.torn HOME`, after one more decision and target."""

import os
import sys
from pathlib import Path

from synthstudio.catalog.decisions import Act, Chosen
from synthstudio.catalog.journal import Journal
from tests.catalog.projects import digests, opened


def main() -> None:
    """Decide once as usual, then once more and die as soon as the line is on the disk."""
    studio = opened(Path(sys.argv[1]))
    (image,) = digests(0, 1)
    studio.catalog.decisions.decide([Act("before", "tab", Chosen.images([image]), "keep")], "me")
    append = Journal.append

    def append_and_die(journal, lines):
        append(journal, lines)
        os._exit(9)

    Journal.append = append_and_die
    studio.catalog.decisions.decide([Act("torn", "tab", Chosen.images([image]), "reject")], "me")


if __name__ == "__main__":
    main()
