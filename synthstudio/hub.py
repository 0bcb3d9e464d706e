"""The Hugging Face Hub: what is in its cache on this machine, what a repository holds, and fetching what is needed.

The cache is the one that all libraries of the Hub share, in its own layout: `blobs/` by digest, `snapshots/<commit>/`
with links to them, and `refs/main`, which is written last, so that a model that is being fetched is not there yet. The
pieces of an unfinished file lie with the run that fetches it, since the Hub's own client begins a file anew in
every process.
"""

import errno
import hashlib
import importlib
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from synthstudio import modelfiles
from synthstudio.errors import BadInput, Damaged, Missing, RunFailed, StorageFull, StudioError, UnknownName
from synthstudio.modelfiles import CARD, Precision
from synthstudio.modelfolder import INDEX, read_config
from synthstudio.workspace import copy_durably, file_digest, make_folder, storage_errors, sync_folder, write_atomically

REPOSITORY = r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}"
_NAME = re.compile(r"[\w][\w.+-]*(/[\w][\w.+-]*)*")  # of a file: no part of it leads anywhere
_DIGEST = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_REVISION = "main"
_SHA256 = 64  # characters
_TRIES = 4  # in a row, without a byte more
_TIMEOUT = 30.0
_ROOM = 256 << 20  # that stays free


@dataclass(frozen=True)
class File:
    """A file of a repository. `digest` is its SHA-256, or of a small one the hash that Git gives it."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Listing:
    """A repository at one commit."""

    repository: str
    commit: str
    licence: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Cached:
    """A model in the Hub's cache that can be used."""

    repository: str
    folder: Path
    files: tuple[Path, ...]


def cache() -> Path:
    """The folder of the Hub's cache."""
    from huggingface_hub import constants

    return Path(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE)


def endpoint() -> str:
    """The address of the Hub."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def snapshot(repository: str) -> Path | None:
    """The folder of a repository's model in the cache, named by its commit; None if it is not there, or not whole."""
    place = _place(repository)
    with suppress(OSError, StudioError, UnicodeDecodeError):
        commit = (place / "refs" / _REVISION).read_text(encoding="utf-8").strip()
        found = place / "snapshots" / commit
        if _DIGEST.fullmatch(commit) and found.is_dir() and modelfiles.local(found):
            return found
    return None


def cached() -> list[Cached]:
    """Every model in the cache that could be used; what else lies there is passed over."""
    found = []
    for place in sorted(cache().glob("models--*--*")):
        repository = place.name.removeprefix("models--").replace("--", "/", 1)
        folder = snapshot(repository)
        if folder is not None:
            found.append(Cached(repository, folder, tuple(modelfiles.local(folder))))
    return found


def listing(repository: str) -> Listing:
    """What a repository holds now. UnknownName if there is none, Missing if the Hub cannot be reached or refuses."""
    from huggingface_hub import HfApi

    try:
        with _sentences(repository):
            api = HfApi(endpoint=endpoint())
            found = api.model_info(repository, revision=_REVISION, files_metadata=True, timeout=_TIMEOUT)
    except transport_error() as error:
        raise Missing(
            f"The Hub at {endpoint()} cannot be reached, so {repository} cannot be fetched. Resume when there is a"
            " connection, give a local folder, or use pico."
        ) from error
    files = []
    for one in found.siblings or ():
        digest = one.lfs.sha256 if one.lfs else one.blob_id or ""
        if _NAME.fullmatch(one.rfilename) and _DIGEST.fullmatch(digest) and one.size is not None:
            files.append(File(one.rfilename, one.size, digest))  # others are no file of a model
    if not found.sha or not _DIGEST.fullmatch(found.sha):
        raise Missing(f"The Hub does not say which version of {repository} this is. Try again later.")
    said = getattr(found.card_data, "license", None) or ""
    return Listing(repository, found.sha, str(said)[:60], tuple(files))


def wanted(found: Listing, precision: Precision, aside: Path) -> list[File]:
    """The files that a model needs in this precision, and its card. Reads the index first, if there is one.

    Missing or BadInput, before anything large is fetched, if the repository holds no such model.
    """
    known = {file.name: file for file in found.files}
    index = None
    if INDEX in known:
        for _ in fetch(found, [known[INDEX]], aside):
            pass
        index = read_config(_place(found.repository) / "snapshots" / found.commit, INDEX)
    try:
        names = modelfiles.needed(known, index, precision)
    except StudioError as error:
        raise type(error)(f"{found.repository} cannot be used. {error}") from error
    return [known[name] for name in dict.fromkeys([*names, CARD]) if name in known]


def fetch(found: Listing, files: Sequence[File], aside: Path) -> Iterator[int]:
    """Fetch files into the cache; yields how many bytes of them are there, piece by piece.

    Closing it leaves the pieces in `aside`, where the next attempt goes on. StorageFull before a byte is asked for
    if they do not fit; Missing, Damaged or RunFailed say what happened and what to do.
    """
    place = _place(found.repository)
    with storage_errors(place):
        for folder in (place / "blobs", aside):
            make_folder(folder)
    _refuse_full(place, sum(file.size for file in files if _size(place / "blobs" / file.digest) != file.size), aside)
    before = 0
    for file in files:
        blob = place / "blobs" / file.digest
        if not blob.exists() or _size(blob) != file.size:
            part = aside / f"{file.digest}.part"
            for here in _pieces(found, file, part):
                yield before + here
            _move(part, blob)
        _link(place / "snapshots" / found.commit / file.name, blob)
        before += file.size
        yield before


def keep(found: Listing) -> Path:
    """Say that everything of a repository that is needed is there; returns its folder."""
    place = _place(found.repository)
    write_atomically(place / "refs" / _REVISION, found.commit.encode())
    folder = snapshot(found.repository)
    if folder is None:
        raise Missing(f"{found.repository} was fetched and is not whole. Ask for it again.")
    return folder


def _place(repository: str) -> Path:
    if not re.fullmatch(REPOSITORY, repository):
        raise BadInput(f"{repository[:120]!r} is no repository of the Hub. Give owner/name.")
    return cache() / f"models--{repository.replace('/', '--')}"


def _link(link: Path, blob: Path) -> None:
    with storage_errors(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.unlink(missing_ok=True)  # it leads nowhere
            link.symlink_to(os.path.relpath(blob, link.parent))


def _move(part: Path, blob: Path) -> None:
    """Give a file its name, where it is complete from the first moment: the cache may lie on another disk."""
    with storage_errors(blob):
        try:
            os.replace(part, blob)
            sync_folder(blob.parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy_durably(part, blob)
            part.unlink()


def _refuse_full(place: Path, coming: int, aside: Path) -> None:
    partly = sum(path.stat().st_size for path in aside.glob("*.part"))
    free = shutil.disk_usage(place).free
    if free < coming - partly + _ROOM:
        raise StorageFull(
            f"This needs {(coming - partly) >> 20} MB and {place.parent} has {free >> 20} MB left. Free some space, or"
            " name another folder in HF_HOME."
        )


def _pieces(found: Listing, file: File, part: Path) -> Iterator[int]:
    """Fetch one file into `part`, going on where an earlier attempt stopped; yields its bytes so far."""
    tries, here = 0, _size(part)
    while here < file.size or not part.exists():
        try:
            for here in _streamed(found, file, part):
                yield here
                tries = 0
        except transport_error() as error:
            lost: Exception | None = error
        else:
            lost = None  # a server that ends early calls that an end
        if here < file.size:
            tries += 1
            if tries >= _TRIES:
                raise RunFailed(
                    f"The connection to the Hub was lost at {here >> 20} of {file.size >> 20} MB of {file.name}. What"
                    " came is kept: resume when there is a connection."
                ) from lost
            time.sleep(0.2 * tries)
    if here != file.size or _digest(file, part) != file.digest:
        part.unlink()
        raise Damaged(f"{file.name} came out other than the Hub said it is. Resume to fetch it again.")


def _streamed(found: Listing, file: File, part: Path) -> Iterator[int]:
    """The rest of a file in one answer; yields the bytes so far."""
    from huggingface_hub import get_session, hf_hub_url, hf_raise_for_status
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    start = _size(part)
    url = hf_hub_url(found.repository, file.name, revision=found.commit, endpoint=endpoint())
    headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with _sentences(found.repository), get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT) as answer:
        if answer.status_code == 404:
            raise Missing(f"{found.repository} lists {file.name} and does not have it. Choose another model.")
        hf_raise_for_status(answer)
        here = start if answer.status_code == 206 else 0  # else all of it is sent
        with storage_errors(part), part.open("r+b" if here else "wb") as out:
            out.seek(here)
            for piece in answer.iter_raw():
                out.write(piece)
                here += len(piece)
                yield here
                if here > file.size:
                    return


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _digest(file: File, part: Path) -> str:
    """The digest of what came, made as the one that the Hub said."""
    if len(file.digest) == _SHA256:
        return file_digest(part)
    return hashlib.sha1(b"blob %d\0" % file.size + part.read_bytes(), usedforsecurity=False).hexdigest()  # as Git does


def transport_error() -> type[Exception]:
    """What the Hub's HTTP client raises where a connection fails; which client that is differs with its version."""
    from huggingface_hub import get_session

    found: type[Exception] = importlib.import_module(type(get_session()).__module__.partition(".")[0]).TransportError
    return found


@contextmanager
def _sentences(repository: str) -> Iterator[None]:
    """Turn what the Hub says no with into what to do next."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise Missing(
            f"{repository} asks you to accept its terms first: open {endpoint()}/{repository}, and sign in here with"
            " hf auth login."
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        raise UnknownName(f"The Hub has no model {repository!r}. Check the name, or give a local folder.") from error
    except errors.OfflineModeIsEnabled as error:
        raise Missing(f"HF_HUB_OFFLINE is set, so {repository} cannot be fetched. Unset it to connect.") from error
    except errors.HfHubHTTPError as error:
        raise Missing(f"The Hub does not give {repository} ({error}). Try again later.") from error
