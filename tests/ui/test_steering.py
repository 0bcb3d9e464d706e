"""What a press of a button asks of the studio."""

import io

import pytest
from PIL import Image

from synthstudio.errors import BadInput, Missing
from synthstudio.jobs.asking.asked import step_from_text
from synthstudio.step import build
from synthstudio.steps.adapt.previews import ASKED, FOLDER, Previews, rows_in
from synthstudio.ui.api import previews, run_views, steering
from tests.examples import EXAMPLES


def png():
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def adapting(session):
    """The id of an adaptation that works, as far as the catalog knows."""
    run, _ = session.studio.submit(build("adapt.lora", EXAMPLES["adapt.lora"]))
    session.studio.catalog.runs.launched(run, "cpu", 1, 1.0)
    return run


def folder_of(session, run):
    return session.studio.workspace.run_folder(run) / "scratch" / FOLDER


def test_samples_of_a_running_adaptation_are_asked_of_its_worker(session, adapting):
    assert "appear" in steering.sample(session.studio, adapting)
    assert (folder_of(session, adapting) / ASKED).exists()
    assert Previews(folder_of(session, adapting), "a {label}", None).due(1, 1000)


def test_samples_of_what_cannot_be_sampled_are_refused_in_words(session, adapting):
    other, _ = session.studio.submit(build("sample.text", EXAMPLES["sample.text"]))
    with pytest.raises(BadInput, match="Only an adaptation"):
        steering.sample(session.studio, other)
    session.studio.catalog.runs.set_state(adapting, "stopped")
    with pytest.raises(BadInput, match="Resume it"):
        steering.sample(session.studio, adapting)


def test_pictures_of_a_run_are_served_by_our_own_names_and_nothing_else(session, adapting, tmp_path):
    folder = folder_of(session, adapting)
    shown = Previews(folder, "a photo of a {label}", None)
    shown._write(50, ["cat"], [png()])
    assert [row["step"] for row in rows_in(folder)] == [50]
    (row,) = previews.of(session.studio, adapting)
    name = row["images"][0]["src"].rpartition("/")[2]
    assert previews.picture(session.studio, adapting, name)[0] == png()
    secret = tmp_path / "secret.png"
    secret.write_bytes(png())
    (folder / "00000051-0.png").symlink_to(secret)
    for bad in ("index.json", "../../request.json", "00000051-0.png", "00000052-0.png", "%2e%2e", ""):
        with pytest.raises(Missing):
            previews.picture(session.studio, adapting, bad)


def test_the_same_again_reuses_what_waits(session, adapting):
    before = len(session.studio.catalog.runs.all())
    assert "Asked for" in steering.again(session.studio, adapting)
    assert len(session.studio.catalog.runs.all()) == before


@pytest.mark.parametrize("kind", sorted(EXAMPLES))
def test_the_command_line_and_the_python_of_a_run_are_the_same_step(session, kind):
    import shlex

    step = build(kind, EXAMPLES[kind])
    words = shlex.split(run_views.command_line(session, step))
    assert words[:5] == ["python", "-m", "synthstudio", "step", kind]
    options = {word[2:].replace("-", "_"): value for word, value in zip(words[5::2], words[6::2], strict=True)}
    options.pop("home")
    assert step_from_text(kind, options, session.studio.workspace) == step
    names: dict[str, object] = {}
    exec(run_views.python_code(session, step).partition("with Studio")[0], names)
    assert names["step"] == step


def test_a_list_of_one_is_typed_as_it_is_read(session):
    fields = {"backbone": "pico", "labels": "7", "x": "guidance_scale", "x_values": "2,4.5"}
    step = step_from_text("sample.grid", fields, session.studio.workspace)
    assert (step.labels, step.x_values) == (("7",), (2.0, 4.5))
    assert step_from_text("sample.grid", fields | {"x_values": "3"}, session.studio.workspace).x_values == (3.0,)
