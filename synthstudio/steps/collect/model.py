"""Fetch a model from the Hugging Face Hub: one precision of the parts that are read, and nothing besides."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from synthstudio import hub, models
from synthstudio.events import Event, Note, Output, Progress
from synthstudio.modelfiles import Precision
from synthstudio.modelfolder import INDEX, Purpose
from synthstudio.step import Step
from synthstudio.steps import Work

_MB = 1_000_000


class Fetch(Step):
    """Fetch a model from the Hub.

    Its output is the name of the model, as other steps take it. What is fetched is what stands there now; the commit is
    in that name, or beside the digest of half precision in the notes. A stopped download goes on where it was.
    """

    kind: ClassVar[str] = "collect.model"
    title: ClassVar[str] = "Download a model"
    computes: ClassVar[bool] = False
    connects: ClassVar[bool] = True

    repository: Annotated[
        str, Field(pattern=f"^{hub.REPOSITORY}$", max_length=200, description="On the Hugging Face Hub: owner/name.")
    ]
    precision: Annotated[
        Precision,
        Field(description="fp16: weights of half the size, where the repository has them; fp32: the full ones."),
    ] = "fp16"

    def run(self, work: Work) -> Iterator[Event]:
        """Fetch what is not there, then examine it as any model is examined that is named."""
        place = hub.snapshot(self.repository)
        if place is None:
            found = hub.listing(self.repository)
            files = hub.wanted(found, self.precision, work.scratch)
            yield Note(text=_said(found, files))
            total = sum(file.size for file in files) // _MB
            for done in hub.fetch(found, files, work.scratch):
                yield Progress(done=done // _MB, total=max(1, total), unit="MB")
            place = hub.keep(found)
        else:
            yield Note(text="It was on this machine already; nothing was fetched.")
        known = models.known_as(self.repository)
        name = known.name if known else self.repository
        purpose: Purpose = "backbone" if (place / INDEX).is_file() else "encoder"
        yield Output(name="model", value=models.reference(name, purpose, work.workspace))


def _said(found: hub.Listing, files: list[hub.File]) -> str:
    """What is fetched of what there is, and under which licence."""
    size, whole = (sum(file.size for file in some) / _MB for some in (files, found.files))
    terms = f"licence: {found.licence}" if found.licence else "its card names no licence"
    return (
        f"{len(files)} of {len(found.files)} files are needed, {size:,.0f} of {whole:,.0f} MB, of commit"
        f" {found.commit[:12]}; {terms}. Terms: {hub.endpoint()}/{found.repository}"
    )
