"""What may import what, how fast names are listed, and that the linters are content."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "diffusers", "peft", "open_clip", "gradio", "sklearn", "pyarrow", "pandas", "transformers")


def loaded_after(code):
    probe = f"{code}\nimport sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    return ended.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import synthstudio",
        "import synthstudio.steps",
        "import synthstudio.jobs",
        "from synthstudio.cli.runs import recipes; recipes(as_json=False)",
        "from synthstudio.cli.runs import steps; steps(kind=None, as_json=True)",
    ],
)
def test_listing_what_there_is_loads_nothing_heavy(code):
    assert loaded_after(code) == "[]"


@pytest.mark.parametrize(
    "command",
    [["lint-imports"], ["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]],
    ids=["imports point down", "ruff", "format", "types"],
)
def test_the_linters_are_content(command):
    tool = Path(sys.executable).parent / command[0]
    ended = subprocess.run([str(tool), *command[1:]], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-2000:]
