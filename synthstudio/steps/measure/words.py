"""measure.words: what do words look like? A text as a vector, to compare images with, in the eyes of one encoder."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

from pydantic import Field

from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Output
from synthstudio.step import Step
from synthstudio.steps import Work, encoding
from synthstudio.terms import ImageSetId, ModelRef, Words

if TYPE_CHECKING:
    from synthstudio.engine.encoders import ClipEncoder

_MAX_SETS = 1000


class MeasureWords(Step):
    """The vector of a text, and vectors of the images that the encoder has not looked at yet.

    The images are then found by their cosine to it, as CLIP finds them (Radford et al. 2021).
    """

    kind: ClassVar[str] = "measure.words"
    title: ClassVar[str] = "Find images by words"

    text: Words
    encoder: ModelRef
    images: Annotated[
        tuple[ImageSetId, ...], Field(max_length=_MAX_SETS, description="Sets that the encoder should look at first.")
    ] = ()

    def run(self, work: Work) -> Iterator[Event]:
        """Read the text, and look at what was never looked at."""
        name, model = self.encoder.partition("@")[0], encoding.encoder(work, self.encoder)
        if not model.reads_words:
            raise BadInput(f"{name} knows no words. Choose an encoder with a text tower, such as pico-clip.")
        clip = cast("ClipEncoder", model)
        images = {member.image for one in self.images for member in work.workspace.image_set(one)}
        if images:
            yield from encoding.looked_at(work, self.encoder, sorted(images))
        read = clip.what_it_reads(self.text)
        if read != self.text:
            yield Note(text=cut(name, read))
        body: dict[str, Any] = {
            "text": self.text, "read": read, "encoder": self.encoder, "images": list(self.images),
            "vector": [float(number) for number in clip.embed_texts([self.text])[0]],
        }  # fmt: skip
        yield Output(name="words", value=work.workspace.put_document("words", body))


def cut(name: str, read: str) -> str:
    """What is said of a text that is too long for an encoder."""
    return f"These words are too long for {name}: it read “{read}” and nothing after that."
