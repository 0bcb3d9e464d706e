"""The loop of a newcomer, in a browser: run, watch, reload, stop, resume, review, read the answer, export, load."""

import zipfile

import pytest

from tests.browser.conftest import SMALL, Served, ready, write
from tests.ui.pictures import hostile_zip


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A project in which nothing was done before."""
    page = Served(tmp_path_factory.mktemp("newcomer") / "home")
    page.start()
    yield page
    page.stop()


def wait_for_state(page, *states):
    """Wait for the panel of the recipe to show one of these states; returns it."""
    choices = ", ".join(f"studio-live[data-state={state}]" for state in states)
    page.wait_for_selector(choices, timeout=900_000)
    return page.locator("studio-live").get_attribute("data-state")


def go(page, name):
    """Open a tab by its name."""
    page.get_by_role("tab", name=name, exact=True).first.click()
    page.wait_for_selector(f"#ss-tabs button[role=tab][aria-selected=true]:has-text('{name}')", state="attached")


def ask_for_a_small_recipe(page):
    """Press the card, then choose less work than the preset."""
    page.wait_for_selector("#ss-plan >> text=What it will do")
    page.click("#ss-digits")
    page.get_by_role("button", name="More").first.click()
    write(page.get_by_label("Settings"), SMALL)
    page.wait_for_selector("#ss-plan >> text=20 training steps")


@pytest.mark.slow  # test_photographs goes the same road with photos of its own
def test_the_quick_recipe_on_digits_from_the_first_screen_to_an_export_that_loads(watched, served, tmp_path):
    page = watched().page
    assert served.get("/state")["pipelines"] == []
    ask_for_a_small_recipe(page)
    page.dblclick("#ss-run")
    wait_for_state(page, "running")
    pipeline = page.locator("studio-live").get_attribute("data-pipeline")

    page.reload()
    ready(page)
    assert wait_for_state(page, "running", "done") == "running"
    assert page.locator("studio-live").get_attribute("data-pipeline") == pipeline
    assert len(served.get("/state")["pipelines"]) == 1

    page.wait_for_selector("studio-live li[data-state=running]:has-text('Adapt the model')")
    panel = page.locator("studio-live")
    panel.get_by_role("button", name="Stop").dblclick()
    wait_for_state(page, "stopped")
    panel.get_by_role("button", name="Resume").dblclick()
    page.wait_for_function("() => /^\\d+ % ·/.test(document.title)")
    assert wait_for_state(page, "done", "failed") == "done"
    page.wait_for_function("() => document.title === 'SynthStudio'")

    page.wait_for_selector("studio-live .ss-answer .ss-arm")
    assert page.locator("studio-live .ss-answer .ss-arm").count() == 4
    assert "accuracy" in page.locator("studio-live .ss-sentence").inner_text()
    assert "(n = " in page.locator("studio-live .ss-answer").inner_text()

    reject_two_and_undo_one(page, served)
    look_at_the_numbers(page)
    export_and_load(page, served, tmp_path)
    go(page, "Runs")
    page.wait_for_selector("studio-runs tr[data-run] >> nth=10")


def reject_two_and_undo_one(page, served):
    go(page, "Review")
    page.wait_for_selector("#ss-tile-1[data-standing]")
    mark = served.get("/review/changes", since=0)["last"]
    page.locator(".ss-grid").focus()
    for key in ("Home", "x", "x", "Control+z"):
        page.keyboard.press(key)
    page.wait_for_selector(".ss-saved[data-kind=good]")
    page.wait_for_selector("#ss-tile-0[data-standing=rejected]")
    page.wait_for_selector("#ss-tile-1[data-standing=pending]")
    stands = {image: verdict for image, verdict, *_ in served.get("/review/changes", since=mark)["rows"]}
    assert sorted(stands.values()) == ["clear", "reject"]


def look_at_the_numbers(page):
    go(page, "Evaluate")
    page.wait_for_selector("studio-evaluate .ss-confusion")
    table = page.locator("studio-evaluate table").first
    assert table.locator("tbody tr").count() == 4
    for arm in ("Zero-shot", "Real only", "Synthetic only", "Real + synthetic"):
        assert arm in table.inner_text()
    assert "Split: test, n = " in page.locator("studio-evaluate").inner_text()


def export_and_load(page, served, folder):
    from datasets import load_dataset
    from torchvision.datasets import ImageFolder

    go(page, "Export")
    page.dblclick("#ss-export-go")
    for kind in ("export.image_folder", "export.adapter", "export.classifier"):
        page.wait_for_selector(f"[data-export='{kind}'][data-state=done] a")
    assert [run["kind"] for run in served.get("/runs", limit=500)].count("export.image_folder") == 1
    assert "classify.py" in page.locator("[data-export='export.classifier']").inner_text()
    with page.expect_download() as download:
        page.click("[data-export='export.image_folder'] a")
    download.value.save_as(folder / "dataset.zip")
    with zipfile.ZipFile(folder / "dataset.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(folder / "out")
    (found,) = (folder / "out").iterdir()
    assert len(ImageFolder(found / "train").classes) == 10
    loaded = load_dataset(str(found), cache_dir=str(folder / "cache"))
    assert {"train", "test"} <= set(loaded)
    assert loaded["test"][0]["image"].size == (64, 64)


def test_a_hostile_zip_becomes_a_table_before_anything_is_kept(watched, served, tmp_path):
    page = watched("/?tab=data").page
    runs = len(served.get("/runs"))
    archive = tmp_path / "photos.zip"
    archive.write_bytes(hostile_zip())
    page.set_input_files("#ss-files", archive)
    page.wait_for_selector("#ss-dryrun")
    text = page.locator("#ss-dryrun").inner_text()
    assert "Nothing is kept yet" in text
    assert "<img src=x onerror=alert(1)>" in text
    assert "cats/page.png" in text
    assert "not a picture" in text
    assert page.locator("#ss-dryrun img[onerror]").count() == 0
    assert len(served.get("/runs")) == runs
    page.dblclick("#ss-import")
    served.until(lambda: len(served.get("/runs")) > runs)  # a card of this name may be there from an earlier import
    page.wait_for_selector("studio-data .ss-card:has-text('My photos') .ss-state[data-state=done]")
    served.until(lambda: not any(one["state"] in ("queued", "running") for one in served.get("/runs")))
    assert len(served.get("/runs")) == runs + 1
    assert page.locator("studio-data img[onerror]").count() == 0
