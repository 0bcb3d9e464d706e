"""What encoders made of words: the vectors of texts that images were looked for by, from the runs that read them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthstudio.catalog.database import Database
from synthstudio.embeddings import Likenesses
from synthstudio.errors import BadInput, Damaged, Missing
from synthstudio.workspace import Workspace

_KIND = "measure.words"


class Readings:
    """Finding what a text was read as."""

    def __init__(self, database: Database, workspace: Workspace, vectors: Likenesses) -> None:
        self._database = database
        self._workspace = workspace
        self._vectors = vectors

    def newest(self, text: str) -> str:
        """The id of what was last made of a text; '' if no encoder has read it."""
        return next(iter(self._of(text)), "")

    def body(self, reading: str) -> dict[str, Any]:
        """What an encoder said: text, what of it was read, encoder, vector. BadInput where that is here no longer."""
        try:
            return self._workspace.document(reading)
        except (Missing, Damaged) as error:
            raise BadInput(
                "What was made of these words is no longer here. Look for them again with “Find by words”."
            ) from error

    def look_alike(self, text: str, reading: str) -> tuple[NDArray[np.bytes_], NDArray[np.float32]]:
        """Digests of images and how alike each is to a text. BadInput where no encoder has read that."""
        if not reading or reading not in self._of(text):
            raise BadInput(f"No encoder has read “{text}” yet. Look for it with “Find by words”.")
        body = self.body(reading)
        return self._vectors.to(body["encoder"], np.array(body["vector"], np.float32))

    def _of(self, text: str) -> list[str]:
        rows = self._database.rows(
            "select json_extract_string(o.value, '$') from runs r join steps s on s.id = r.step_id"
            " join outputs o on o.run_id = r.id where r.kind = ? and r.state = 'done' and o.name = 'words'"
            " and json_extract_string(s.body, '$.fields.text') = ? order by r.position desc",
            [_KIND, text],
        )
        return [str(reading) for (reading,) in rows]
