"""How long "similar images" and "find by words" take: the first page of a view by likeness, and what comes after it.

    python tests/benchmarks/likeness.py 10000 100000

Vectors of 1,280 numbers, as the eye for photographs has them, in files of 32 images as a run of a score writes them.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from synthstudio.artifacts import Image
from synthstudio.catalog import Catalog
from synthstudio.catalog.review import Query
from synthstudio.embeddings import EmbeddingStore, Likenesses
from synthstudio.events import Made, Output
from synthstudio.resources import Resources
from synthstudio.step import build
from synthstudio.workspace import Workspace
from tests.benchmarks.review_speed import show, timed
from tests.jobs.counting import Paint

WIDTH, AT_ONCE = 1280, 32
EYE = "eye@0123456789ab"


def measure(images: int, folder: Path) -> dict[str, float]:
    """Milliseconds for a project of so many images."""
    workspace = Workspace(folder / str(images))
    digests = [f"{number:064x}" for number in np.random.default_rng(0).permutation(images)]
    store = EmbeddingStore(workspace, EYE)
    for first in range(0, images, AT_ONCE):
        vectors = np.random.default_rng(first).standard_normal(
            (len(digests[first : first + AT_ONCE]), WIDTH), np.float32
        )
        store.put(digests[first : first + AT_ONCE], vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    with Catalog(workspace.catalog) as catalog:
        catalog.runs.add("r1", Paint(), Resources())
        lines = [(1.0, Made(index=n, image=Image(d, "cat", "synthetic", 8, 8))) for n, d in enumerate(digests)]
        catalog.ingest("r1", lines, 10)
        query = catalog.review.settle(Query())
        catalog.review.size(query)
        kept = Likenesses(workspace)
        rows = {"vectors read and compared": timed(lambda: kept.of(digests[1]))[0]}
        rows["compared again"] = timed(lambda: kept.of(digests[2]), 5)[0]
        catalog.review.size(query.model_copy(update={"similar_to": digests[3]}))  # reads the vectors
        like = query.model_copy(update={"similar_to": digests[0], "sort": "score_high"})
        rows["first page"], _ = timed(lambda: catalog.review.decided_page(like, 0, 200))
        rows["next page"], _ = timed(lambda: catalog.review.decided_page(like, 200, 200), 3)
        rows["counts"], _ = timed(lambda: catalog.review.tally(like), 3)
        rows["by words: images not looked at"], _ = timed(lambda: catalog.vectors.unseen(EYE, digests))
        words = catalog.review.settle(Query(words=_read(catalog, workspace), sort="score_high"))
        rows["by words: first page"], _ = timed(lambda: catalog.review.decided_page(words, 0, 200))
    return rows


def _read(catalog: Catalog, workspace: Workspace) -> str:
    """Words that an encoder has read, as a run leaves them."""
    vector = [WIDTH**-0.5] * WIDTH
    made = workspace.put_document("words", {"text": "a cup", "read": "a cup", "encoder": EYE, "vector": vector})
    catalog.runs.add("r2", build("measure.words", {"text": "a cup", "encoder": EYE}), Resources())
    catalog.ingest("r2", [(1.0, Output(name="words", value=made))], 10)
    catalog.runs.set_state("r2", "done")
    return "a cup"


def main() -> None:
    """Print one column per size."""
    sizes = [int(text) for text in sys.argv[1:]] or [10_000, 100_000]
    with tempfile.TemporaryDirectory() as folder:
        tables = [measure(images, Path(folder)) for images in sizes]
    show(sizes, tables)


if __name__ == "__main__":
    main()
