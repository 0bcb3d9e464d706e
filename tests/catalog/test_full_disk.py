"""A disk that fills while somebody decides: what was not written is not claimed, what was claimed is there."""

import json
import subprocess
import sys
from pathlib import Path

from synthstudio.catalog import Catalog

ROOT = Path(__file__).parents[2]


def test_a_full_disk_loses_nothing_that_was_acknowledged_and_stores_nothing_that_was_refused(tmp_path):
    path = tmp_path / "catalog.duckdb"
    done = subprocess.run([sys.executable, "-m", "tests.catalog.filling", str(path)], cwd=ROOT, check=True,
                          capture_output=True, text=True)  # fmt: skip
    said = json.loads(done.stdout)
    assert len(said["acknowledged"]) > 3
    assert len(said["refused"]) == 3
    assert all("was not saved" in why and "Free some space" in why for why in said["why"])
    assert said["known"] == said["acknowledged"] + said["later"]
    with Catalog(path) as opened:
        assert [act for (act,) in opened.database.rows("select id from acts order by first_seq")] == said["known"]
        assert opened.decisions.last() == len(said["known"])
        opened.review.newest()
        before = opened.database.rows("select digest, verdict, given, seq from review order by digest")
        opened.review.tables.rebuild()
        assert opened.database.rows("select digest, verdict, given, seq from review order by digest") == before
