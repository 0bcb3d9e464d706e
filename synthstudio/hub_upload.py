"""An exported dataset on its way to the Hugging Face Hub, with the token that the Hub's own tools use and no other."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from synthstudio.errors import BadInput, Missing
from synthstudio.hub import REPOSITORY, endpoint, transport_error

_NEEDED = ("README.md", "croissant.json")


@dataclass(frozen=True)
class Upload:
    """A folder, and the repository of data sets that it becomes."""

    folder: Path
    repository: str
    files: tuple[str, ...]
    size: int

    @property
    def address(self) -> str:
        """Where it can be seen."""
        return f"{endpoint()}/datasets/{self.repository}"

    @property
    def loading(self) -> str:
        """The line that loads it from there."""
        return f'load_dataset("{self.repository}")'


def prepare(folder: Path, repository: str) -> Upload:
    """What would be sent. BadInput for a folder that no export is, and for what is no name of a repository."""
    if not re.fullmatch(REPOSITORY, repository):
        raise BadInput(f"{repository[:120]!r} is no repository of the Hub. Give owner/name.")
    if any(not (folder / name).is_file() for name in _NEEDED):
        raise BadInput(f"{folder} is no exported dataset. Write one first: python -m synthstudio export FOLDER")
    paths = [Path(here) / name for here, _, names in os.walk(folder) for name in names]
    files = sorted(path for path in paths if path.is_file() and not path.is_symlink())
    names = tuple(path.relative_to(folder).as_posix() for path in files)
    return Upload(folder, repository, names, sum(path.stat().st_size for path in files))


def send(upload: Upload, *, public: bool) -> str:
    """Make the repository if there is none, and send all files as one commit; returns the commit.

    A repository that exists keeps whether it is private. Missing if nobody is signed in, or the Hub refuses.
    """
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise Missing("Nobody is signed in to the Hub. Use hf auth login, or set HF_TOKEN, and push again.")
    api = HfApi(endpoint=endpoint())
    with _sentences(upload):
        api.create_repo(upload.repository, repo_type="dataset", private=not public, exist_ok=True)
        done = api.upload_folder(
            repo_id=upload.repository,
            repo_type="dataset",
            folder_path=upload.folder,
            allow_patterns=list(upload.files),
            commit_message="Export from SynthStudio",
        )
    return str(done.oid)


@contextmanager
def _sentences(upload: Upload) -> Iterator[None]:
    from huggingface_hub import errors

    try:
        yield
    except errors.OfflineModeIsEnabled as error:
        raise Missing("HF_HUB_OFFLINE is set, so nothing can be sent. Unset it to connect.") from error
    except errors.HfHubHTTPError as error:
        raise Missing(
            f"The Hub does not take {upload.repository} ({_line(error)}). See what your token may do."
        ) from error
    except transport_error() as error:
        raise Missing(f"The Hub at {endpoint()} cannot be reached. Push again when there is a connection.") from error


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
