"""An image made again from what its file says: its Step, of which only that image is made, in the batch it was made in.

Same Step, same machine, same bytes. What the file says is a stranger's: it goes through the Step's own validation, and
whatever the project does not have is said before anything is started.
"""

from collections.abc import Iterator
from typing import Any

from synthstudio.errors import BadInput, Missing, StudioError
from synthstudio.intake.image_notes import Notes
from synthstudio.jobs.studio import Studio
from synthstudio.models import MODELS, folder_of, reference
from synthstudio.step import Step, build
from synthstudio.workspace import Workspace

KINDS = ("sample.text", "sample.variation", "sample.until")
_TRAINED = {  # the fields that name something trained, and what it is to the image
    "adapter": "adapter it was made with",
    "words": "set of learned words it was made with",
    "lack": "classifier that guided it",
}
_NO_NUMBER = (
    "This image cannot be made again from its file: it does not say which image of which step it is. Images say so when"
    " they were exported or downloaded here with notes."
)


def step_of(notes: Notes | None) -> Step:
    """The Step that makes exactly the image whose file said this. BadInput, in one sentence, where it cannot be."""
    request = (notes.request if notes else None) or {}
    return only(request.get("kind"), request.get("fields"), notes.index if notes else None)


def only(kind: object, fields: object, index: object) -> Step:
    """The Step of this kind and these fields, for the image of one number in its plan."""
    if not isinstance(fields, dict) or not isinstance(index, int):
        raise BadInput(_NO_NUMBER)
    if kind not in KINDS:
        raise BadInput("This image was not sampled from a prompt or from shots. Make its run again, under Runs.")
    given: dict[str, Any] = {str(name): value for name, value in fields.items()}
    return build(str(kind), {**given, "only": index})


def missing(studio: Studio, step: Step, look: bool = True) -> list[str]:
    """What of a sampling Step is not in this project, a sentence each; nothing where it can be made.

    A model known by name is looked for unless `look` is false: then nothing is written, and asking may still refuse.
    """
    return list(_missing(studio, step.fields, look))


def _missing(studio: Studio, fields: dict[str, Any], look: bool) -> Iterator[str]:
    workspace = studio.workspace
    try:
        _known_model(studio, str(fields["backbone"]), look)
    except StudioError as error:
        yield f"The backbone it was made with is not here: {error}"
    for name, words in _TRAINED.items():
        if fields.get(name) and not _is_here(workspace, fields[name]):
            yield f"The {words} ({fields[name][:16]}…) is not in this project."
    if fields.get("sources"):
        try:
            shots = workspace.image_set(fields["sources"])
        except StudioError:
            shots = None
        if shots is None or not all(workspace.has(member.image) for member in shots):
            yield "The shots it was made from are not in this project. Import and split the same photos here first."


def _is_here(workspace: Workspace, named: str) -> bool:
    """Whether the document and all weights of something trained are there."""
    try:
        found = workspace.document(named)["weights"]
    except StudioError:
        return False
    files = [found] if isinstance(found, str) else found.values()
    return all(workspace.weight_path(one).exists() for one in files)


def _known_model(studio: Studio, ref: str, look: bool) -> None:
    """StudioError unless this very model is here; one known by name is looked up, as a fresh project has not yet."""
    name = ref.partition("@")[0]
    if name in MODELS and not look:
        return
    if name in MODELS and reference(name, "backbone", studio.workspace) != ref:
        raise Missing(f"{name} is here with another content. Give the one that made the image a folder, and name that.")
    folder_of(ref, "backbone", studio.workspace)
