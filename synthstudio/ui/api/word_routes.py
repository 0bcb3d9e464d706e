"""Finding images by words over HTTP: asking for it, and how far that is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from fastapi import Query as Asking
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.catalog.runs import Run
from synthstudio.jobs.knowing import found_by_words
from synthstudio.steps.measure.words import MeasureWords
from synthstudio.terms import Words
from synthstudio.ui.api.image_routes import Opened
from synthstudio.ui.api.review_routes import same_origin, same_project
from synthstudio.ui.words import STATES

_RUN_BYTES, _RUN_FILES = 1 << 20, 8
_Id = Annotated[str, Asking(pattern="^[0-9a-f-]{1,80}$")]


class WordsBody(BaseModel):
    """What the images should show."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Annotated[str, Field(max_length=400)]
    text: Words


def router(session: Opened) -> APIRouter:
    """Everything below `/review/words`."""
    routes = APIRouter(prefix="/review/words", dependencies=[Depends(same_origin)], include_in_schema=False)

    @routes.post("")
    def ask(body: WordsBody) -> dict[str, Any]:
        same_project(session, body.project)
        step = found_by_words.step(session.studio, body.text)
        if step is None:
            return _document(session, body.text, None)
        with session.admitting(_RUN_BYTES, _RUN_FILES) as studio:
            return _document(session, body.text, studio.catalog.runs.get(studio.submit(step)[0]))

    @routes.get("")
    def state(run: _Id, text: Annotated[Words, Asking()]) -> dict[str, Any]:
        found = session.studio.catalog.runs.those([run]).get(run)
        if found is None or found.kind != MeasureWords.kind:
            raise HTTPException(404, "No run looks for these words. Look for them again.")
        return _document(session, text, found)

    return routes


def _document(session: Opened, text: str, run: Run | None) -> dict[str, Any]:
    """The words as they are looked for, the run that has to end first, and once it has what there is to say."""
    if run is None or run.state == "done":
        return {"text": text, "run": None, "said": found_by_words.cut_off(session.studio, text)}
    about = {
        "id": run.id, "state": run.state, "words": STATES.get(run.state, run.state), "error": run.error or "",
        "done": run.done, "total": run.total,
    }  # fmt: skip
    return {"text": text, "run": about, "said": ""}
