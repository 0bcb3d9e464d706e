"""Several sets as one."""

from synthstudio.artifacts import ImageSet
from synthstudio.step import build
from tests.steps.kit import outputs, stored


def test_an_image_that_two_sets_show_is_there_once(work):
    one, other = stored(work, "set", ["blue", "red"], range(3)), stored(work, "set", ["red"], range(2, 5))
    named, events = outputs(build("select.union", {"sets": [one, other]}), work)
    found = work.workspace.image_set(named["images"])
    parts = [work.workspace.image_set(name) for name in (one, other)]
    assert found == ImageSet.of("set", [*parts[0], *parts[1]]) and len(found) == 8
    assert "8 images of 2 sets" in events[0].text
