"""An installed wheel holds everything the program reads."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_SOURCES = ("synthstudio", "assets", "setup.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md")


def test_a_wheel_holds_every_module_asset_and_file_of_the_grid(tmp_path):
    copy = tmp_path / "source"
    copy.mkdir()
    for name in _SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.egg-info")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(tmp_path)!r})"
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", build], cwd=copy, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {path.relative_to(copy) for path in (copy / "synthstudio").rglob("*") if path.is_file()}
    wanted |= {Path("synthstudio") / path.relative_to(copy) for path in (copy / "assets").rglob("*") if path.is_file()}
    missing = {path.as_posix() for path in wanted if "screenshots" not in path.parts} - inside
    assert missing == set()
    assert "synthstudio/py.typed" in inside
    assert not [name for name in inside if name.startswith(("tests/", "docs/", "build/"))]
    with zipfile.ZipFile(wheel) as archive:
        (entries,) = (name for name in inside if name.endswith("/entry_points.txt"))
        assert "synthstudio = synthstudio.cli:main" in archive.read(entries).decode()
