"""How alike every picture is to one of them, or to words, for views of images like that. In memory, not in the file."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from synthstudio.catalog.database import Database
from synthstudio.catalog.readings import Readings
from synthstudio.errors import BadInput

if TYPE_CHECKING:
    from synthstudio.catalog.review import Query

# Digests of pictures and how alike each is to what is asked for; empty if nothing is known of that.
Alike = tuple[NDArray[np.bytes_], NDArray[np.float32]]
LookAlike = Callable[[str], Alike]
_KEPT = 8


class Likeness:
    """What the queries of a review that name a picture, or say words, are answered from."""

    _lock: ClassVar[threading.Lock] = threading.Lock()  # of all: two that opened one file share what is in `scratch`

    def __init__(self, database: Database, look_alike: LookAlike, readings: Readings) -> None:
        self._database = database
        self._look_alike = look_alike
        self.readings = readings
        with self._lock, database.aside() as cursor:
            cursor.execute("create table if not exists scratch.compared (reference text, upto bigint, place bigint)")
            cursor.execute(
                "create table if not exists scratch.likeness (reference text, upto bigint, number bigint, value double)"
            )

    def ensure(self, query: "Query") -> None:
        """Compare every picture up to the query's last one with the one it names, or with its words, once.

        BadInput where no encoder has looked at that picture or read these words, or where nobody may look at it.
        """
        if not query.by_likeness:
            return
        asked = (query.reference, query.upto)
        with self._lock:
            if not self._database.rows("select 1 from scratch.compared where reference = ? and upto = ?", asked):
                alike = self._to_image(query.similar_to) if query.similar_to else self._to_words(query)
                self._compare(*asked, alike)
                self._forget_oldest()

    def _to_image(self, digest: str) -> Alike:
        seen = self._database.rows("select 1 from review where digest = ? and not held", [digest])
        images, values = self._look_alike(digest) if seen else (np.empty(0, "S64"), np.empty(0, np.float32))
        if not len(images):
            raise BadInput(
                "Nothing is known of this image that others could be compared by. Let a score look at it first:"
                " nearest real photo, or agreement with the class."
            )
        return images, values

    def _to_words(self, query: "Query") -> Alike:
        return self.readings.look_alike(query.words, query.reading)

    def _compare(self, reference: str, upto: int, alike: Alike) -> None:
        import pandas as pd

        images, values = alike
        compared = pd.DataFrame({"digest": images.astype(str), "value": values})
        with self._database.aside() as cursor:
            cursor.register("compared", compared)
            cursor.execute(
                "insert into scratch.likeness select ?, ?, t.number, max(c.value) from compared c"
                " join review t on t.digest = c.digest where t.number <= ? and isfinite(c.value) group by t.number",
                [reference, upto, upto],
            )
            cursor.execute(
                "insert into scratch.compared select ?, ?, coalesce(max(place), 0) + 1 from scratch.compared",
                [reference, upto],
            )

    def _forget_oldest(self) -> None:
        oldest = "delete from scratch.compared where place <= (select max(place) - ? from scratch.compared)"
        with self._database.aside() as cursor:
            cursor.execute(f"{oldest} returning reference, upto", [_KEPT])
            for forgotten in cursor.fetchall():
                cursor.execute("delete from scratch.likeness where reference = ? and upto = ?", forgotten)
