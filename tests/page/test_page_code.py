"""What of the page's own code needs no browser (asking, drawing, words; the grid's places, range, queue, store), tested
where it runs: in JavaScript."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js 18 or later: apt-get install -y nodejs")
def test_what_the_page_asks_draws_remembers_and_sends_is_right():
    files = sorted(map(str, HERE.glob("*.test.mjs")))
    told = subprocess.run(["node", "--test", *files], capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 0, told.stdout[-5000:] + told.stderr[-2000:]
