"""A zip from a stranger. Names are never paths here; members are read into memory one by one, counted as they come."""

import contextlib
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from synthstudio.errors import BadInput
from synthstudio.intake.decode import Refusal
from synthstudio.intake.entries import Budget, Limits, size
from synthstudio.intake.layout import is_litter
from synthstudio.intake.trees import File, Tree, check_count

_CHUNK = 1 << 20
_SMALL = 1 << 20  # below this a member may be as compressible as it likes
_ARCHIVES = {".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"}
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1


class ZipTree(Tree):
    """The tree inside a zip; holds the file open until closed."""

    def __init__(self, path: Path, limits: Limits, label: str | None) -> None:
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BadInput(f"{path.name} is a damaged zip ({error}). Copy or download it again.") from error
        try:
            members = [info for info in self._archive.infolist() if not is_litter(_parts(info))]
            check_count(path.name, sum(not info.is_dir() for info in members), limits)
            folders = [_name(info).rstrip("/") for info in members if info.is_dir() and not _fault(info)]
            files = [self._file(info, limits) for info in members if not info.is_dir()]
            super().__init__(files, folders, limits, label or _called_so(path, files))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def _file(self, info: zipfile.ZipInfo, limits: Limits) -> File:
        return File(_name(info), lambda budget: self._unpack(info, limits, budget), _fault(info))

    def _unpack(self, info: zipfile.ZipInfo, limits: Limits, budget: Budget) -> bytes:
        out = bytearray()
        most = max(_SMALL, limits.max_ratio * info.compress_size)
        try:
            with self._archive.open(info) as member:
                while piece := member.read(_CHUNK):
                    out += piece
                    budget.spend(len(piece))
                    limits.check_file(len(out))
                    if len(out) > most:
                        raise Refusal(
                            f"unpacks from {size(info.compress_size)} to more than {limits.max_ratio} times that, "
                            "like a zip bomb; save it as JPEG or PNG, or raise max_ratio"
                        )
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise Refusal(f"is damaged inside the zip ({error}); zip it again") from error
        return bytes(out)


def _called_so(path: Path, files: list[File]) -> str | None:
    """The class of a zip without any folder: its own name. None where folders say the classes."""
    named = [file.name for file in files if not file.reason]
    return path.stem if named and not any("/" in name for name in named) else None


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name with / between folders. Old tools write UTF-8 without saying so."""
    name = info.filename
    if not info.flag_bits & _UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _parts(info: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(_name(info)).parts


def _fault(info: zipfile.ZipInfo) -> str:
    """Why a member is not even opened, or nothing."""
    name = _name(info)
    kind = stat.S_IFMT(info.external_attr >> 16)
    faults = (
        (name.startswith("/") or name[1:2] == ":", "has an absolute name; zip the folder again with relative names"),
        (".." in name.split("/"), "has .. in its name, which could reach outside; zip the folder again"),
        (not _parts(info), "has no name; zip the folder again"),
        (kind not in (0, stat.S_IFREG, stat.S_IFDIR), "is a link or a device; put the file itself into the zip"),
        (info.flag_bits & _ENCRYPTED, "is encrypted; zip it without a password"),
        (
            info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) and not info.is_dir(),
            "is compressed in an unusual way; zip it again with the normal (deflate) method",
        ),
        (
            PurePosixPath(name).suffix.lower() in _ARCHIVES,
            "is an archive inside the zip; unpack it and zip the images themselves",
        ),
    )
    return next((reason for wrong, reason in faults if wrong), "")
