"""score.sharpness: is there fine detail, or is the image blurred?"""

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from synthstudio.events import Event, Progress
from synthstudio.score_terms import Scale
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.score import say
from synthstudio.terms import ImageSetId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Sharpness(Step):
    """Variance of the Laplacian of the luminance, divided by the variance of the luminance; higher is sharper.

    The variance of the Laplacian is the classical measure of focus (Pech-Pacheco et al. 2000). It grows with the number
    of pixels and with contrast; shrinking to one size and dividing by the contrast removes both, so that one threshold
    means the same on a pale and on a dark photo. An image of one flat tone has sharpness 0.
    """

    kind: ClassVar[str] = "score.sharpness"
    title: ClassVar[str] = "Score: is it sharp?"
    passing: ClassVar[Mapping[str, str]] = {"at_least": "are sharp"}
    helping: ClassVar[Mapping[str, str]] = {"at_least": "take more denoising steps"}
    scale: ClassVar[Scale] = Scale("variance of the Laplacian over the variance of the luminance", "higher", 0)

    images: ImageSetId
    size: Annotated[
        int, Field(ge=16, le=4096, description="Shrink the shorter side to this before measuring; never enlarge.")
    ] = 256

    def run(self, work: Work) -> Iterator[Event]:
        from PIL import Image

        members = list(work.workspace.image_set(self.images))
        values = []
        for done, member in enumerate(members, 1):
            with Image.open(BytesIO(work.workspace.get(member.image))) as picture:
                values.append((member.image, sharpness(_luminance(picture, self.size))))
            yield Progress(done=done, total=len(members), unit="images")
        yield from say(work, "sharpness", None, values)


def sharpness(luminance: "NDArray[np.float64]") -> float:
    """Variance of the 4-neighbour Laplacian over the variance of the values."""
    inner = luminance[1:-1, 1:-1]
    around = luminance[:-2, 1:-1] + luminance[2:, 1:-1] + luminance[1:-1, :-2] + luminance[1:-1, 2:]
    contrast = float(luminance.var())
    return float((around - 4 * inner).var()) / contrast if contrast > 1e-9 and inner.size else 0.0


def _luminance(picture: Any, size: int) -> "NDArray[np.float64]":
    import numpy as np
    from PIL import Image

    grey = picture.convert("RGB").convert("L")
    share = size / min(grey.size)
    if share < 1:
        grey = grey.resize([max(1, round(side * share)) for side in grey.size], Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.float64) / 255
