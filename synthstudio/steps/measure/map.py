"""measure.map: where do images lie, in the eyes of one encoder? Real photos and made ones on one plane."""

from collections.abc import Generator, Iterable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio.artifacts import split_id
from synthstudio.errors import BadInput, Damaged
from synthstudio.events import Event, Note, Output, Progress
from synthstudio.quantities import many
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.terms import DIGEST, ImageSetId, ModelRef, Seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from synthstudio.projection import Fitted, Places
    from synthstudio.workspace import Workspace

MapId = Annotated[str, Field(pattern=f"^map:{DIGEST}$", description="Places of images on a plane.")]
FITTED_TO = 2000  # t-SNE takes about half a minute for so many on one core; all others go to their neighbours
_MAX_SETS = 1000
_WHOLE = 65535  # a place is two numbers of 16 bits: finer than any screen


class MeasureMap(Step):
    """Places for images: fitted to real photos and a sample of the made ones, 2,000 in all, the others put among those.

    With `fitted` nothing is fitted: places of an earlier map stay, and images without one get theirs.
    """

    kind: ClassVar[str] = "measure.map"
    title: ClassVar[str] = "Lay the images out as a map"

    photos: Annotated[tuple[ImageSetId, ...], Field(max_length=_MAX_SETS, description="Sets of real photos.")] = ()
    images: Annotated[tuple[ImageSetId, ...], Field(max_length=_MAX_SETS, description="Sets of made images.")] = ()
    encoder: ModelRef
    fitted: Annotated[MapId | None, Field(description="A map of this encoder whose places stay; none: a new map.")] = (
        None
    )
    seed: Seed = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Embed what was never looked at, fit, place the rest."""
        photos, made = _digests(work, self.photos), _digests(work, self.images)
        everything = sorted({*photos, *made})
        if not everything:
            raise BadInput("There are no images to lay out. Import photos, or make images, first.")
        if self.fitted is None:
            anchors = _anchors(photos, made, self.seed)
            rows, method = yield from _fitted(work, self.encoder, anchors, self.seed)
        else:
            rows, method = _earlier(work, self.fitted, self.encoder)
        rows = yield from _placed(work, self.encoder, everything, rows, method)
        yield Note(text=f"{many(len(rows), 'image')} on the map.")
        places = f"places:{work.workspace.put(_to_bytes(rows))}"
        body = {"encoder": self.encoder, "method": method, "fitted": self.fitted, "places": places, "n": len(rows)}
        yield Output(name="map", value=work.workspace.put_document("map", body))
        yield Output(name="places", value=places)


def read(workspace: "Workspace", map_id: str) -> tuple[dict[str, Any], "NDArray[np.void]"]:
    """A map's document, and its rows: image (its digest), x, y, anchor (whether the map was fitted to it)."""
    import numpy as np

    body = workspace.document(map_id)
    rows = np.load(BytesIO(workspace.get(split_id(body["places"])[1])), allow_pickle=False)
    if rows.dtype != _row_type():
        raise Damaged("This map is of another kind than was expected. Fit it anew.")
    return body, rows


def _row_type() -> "np.dtype[np.void]":
    import numpy as np

    return np.dtype([("image", "S64"), ("x", "<u2"), ("y", "<u2"), ("anchor", "?")])


def _rows(images: Iterable[str], places: "Places", *, anchor: bool) -> "NDArray[np.void]":
    import numpy as np

    names = [image.encode() for image in images]
    rows = np.empty(len(names), _row_type())
    rows["image"], rows["anchor"] = names, anchor
    rows["x"], rows["y"] = np.rint(places.T * _WHOLE)
    return rows


def _to_bytes(rows: "NDArray[np.void]") -> bytes:
    import numpy as np

    out = BytesIO()
    np.save(out, rows[np.argsort(rows["image"])], allow_pickle=False)
    return out.getvalue()


def _digests(work: Work, sets: Iterable[str]) -> list[str]:
    return sorted({member.image for one in sets for member in work.workspace.image_set(one)})


def _anchors(photos: list[str], made: list[str], seed: int) -> list[str]:
    """Photos, as many as half of what a map is fitted to or as are left by made images; of both an even sample."""
    import numpy as np

    random = np.random.default_rng(seed)

    def some(images: list[str], count: int) -> set[str]:
        return {str(one) for one in random.permutation(images)[:count]}

    chosen = some(photos, max(FITTED_TO // 2, FITTED_TO - len(made)))
    return sorted(chosen | some([one for one in made if one not in chosen], FITTED_TO - len(chosen)))


def _fitted(
    work: Work, encoder: str, anchors: list[str], seed: int
) -> Generator[Event, None, tuple["NDArray[np.void]", Any]]:
    from synthstudio import projection

    vectors = yield from encoding.embeddings(work, encoder, anchors)
    yield Progress(done=0, total=1, unit="map fitted")
    found = projection.fit(vectors, seed)
    yield Progress(done=1, total=1, unit="map fitted")
    return _rows(anchors, found.places, anchor=True), found.method


def _earlier(work: Work, map_id: str, encoder: str) -> tuple["NDArray[np.void]", Any]:
    body, rows = read(work.workspace, map_id)
    if body["encoder"] != encoder:
        raise BadInput("This map was fitted by another encoder. Choose that one, or fit a new map.")
    return rows, body["method"]


def _placed(
    work: Work, encoder: str, images: list[str], rows: "NDArray[np.void]", method: Any
) -> Generator[Event, None, "NDArray[np.void]"]:
    """These rows, and one for each image that has none yet."""
    import numpy as np

    from synthstudio import projection

    known = {image.decode() for image in rows["image"]}
    missing = [image for image in images if image not in known]
    if not missing:
        return rows
    anchors = rows[rows["anchor"]]
    places = np.column_stack([anchors["x"], anchors["y"]]).astype(np.float32) / np.float32(_WHOLE)
    near: Fitted = projection.Fitted(places, method)
    among = yield from encoding.embeddings(work, encoder, [image.decode() for image in anchors["image"]])
    vectors = yield from encoding.embeddings(work, encoder, missing)
    return np.concatenate([rows, _rows(missing, projection.place(vectors, among, near), anchor=False)])
