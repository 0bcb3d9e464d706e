"""The saved views of Review over HTTP. Reading is GET; what changes them is POST, for who may work here."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi import Query as Asking
from pydantic import BaseModel, ConfigDict, Field

from synthstudio.catalog.review import Query
from synthstudio.ui.api import review_state
from synthstudio.ui.api.image_routes import Opened
from synthstudio.ui.api.review_routes import same_origin, same_project, who_asks

_VIEW_BYTES = 100_000  # about what the journal and the catalog take
_Name = Annotated[str, Field(max_length=120)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Annotated[str, Field(max_length=400)]
    name: _Name


class SaveBody(_Body):
    """What to keep under a name, and whether a view of that name may be saved over."""

    query: Query
    replace: bool = False


class RenameBody(_Body):
    """What to call a view from now on."""

    new: _Name


class DeleteBody(_Body):
    """Which view to forget."""


def router(session: Opened) -> APIRouter:
    """Everything below `/review/views`."""
    routes = APIRouter(prefix="/review/views", dependencies=[Depends(same_origin)], include_in_schema=False)

    @routes.get("/one")
    def one(name: Annotated[str, Asking(max_length=120)]) -> dict[str, Any]:
        return review_state.saved_view(session.studio, name)

    @routes.post("")
    def save(body: SaveBody, request: Request) -> dict[str, Any]:
        same_project(session, body.project)
        with session.admitting(_VIEW_BYTES) as studio:
            name = studio.catalog.views.save(body.name, body.query, who_asks(request), body.replace)
            return {"name": name, "views": review_state.saved_views(studio)}

    @routes.post("/rename")
    def rename(body: RenameBody) -> dict[str, Any]:
        same_project(session, body.project)
        with session.admitting(_VIEW_BYTES) as studio:
            return {"name": studio.catalog.views.rename(body.name, body.new), "views": review_state.saved_views(studio)}

    @routes.post("/delete")
    def delete(body: DeleteBody) -> dict[str, Any]:
        same_project(session, body.project)
        with session.acting() as studio:
            studio.catalog.views.delete(body.name)
            return {"views": review_state.saved_views(studio)}

    return routes
