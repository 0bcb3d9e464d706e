"""What pyproject.toml cannot say: `assets/` is installed as `synthstudio/assets/`, so that a wheel is complete."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
ASSETS = [ROOT / "assets", *(path for path in (ROOT / "assets").rglob("*") if path.is_dir())]
FOLDERS = [path.relative_to(ROOT).as_posix() for path in ASSETS if path.name != "screenshots"]

setup(
    packages=[*find_packages(include=["synthstudio*"]), *("synthstudio." + name.replace("/", ".") for name in FOLDERS)],
    package_dir={"synthstudio." + name.replace("/", "."): name for name in FOLDERS},
    package_data={"synthstudio": ["ARCHITECTURE.md"], "": ["*"]},
    include_package_data=False,
)
