"""What the filters of Review ask: how the values of a field are spread over a view, and the view as SQL."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Query as Asking

from synthstudio.catalog.review import Query
from synthstudio.catalog.view_sql import as_sql
from synthstudio.jobs.curating.causes import named
from synthstudio.ui.api.image_routes import Opened
from synthstudio.ui.api.map_routes import settled
from synthstudio.ui.api.review_routes import same_origin
from synthstudio.view_terms import LIKENESS, Named, kind

_View = Annotated[Query, Depends(settled)]  # as somebody looks at it
_NAMES = 200  # of one field, as the catalog gives them


def router(session: Opened) -> APIRouter:
    """Everything below `/review/filter`."""
    routes = APIRouter(prefix="/review/filter", dependencies=[Depends(same_origin)], include_in_schema=False)

    @routes.get("/likeness")
    def likeness(query: _View) -> dict[str, Any]:
        if not query.by_likeness:
            return {}
        return session.studio.catalog.spreads.numbers(_now(session, query), LIKENESS).document()

    @routes.get("/field")
    def field(query: _View, name: Annotated[Named, Asking()]) -> dict[str, Any]:
        spreads, query = session.studio.catalog.spreads, _now(session, query)
        if kind(name) == "number":
            return spreads.numbers(query, name).document()
        texts = spreads.texts(query, name)[:_NAMES] if kind(name) == "choice" else []
        return {"texts": [[text, named(session.studio, name, text), images] for text, images in texts]}

    @routes.get("/sql")
    def sql(query: _View) -> dict[str, str]:
        return {"sql": as_sql(query)}

    return routes


def _now(session: Opened, query: Query) -> Query:
    """The view as it would be once it is chosen from: what was decided and tagged since is in it."""
    return query.model_copy(update={"as_of": session.studio.catalog.decisions.last()})
