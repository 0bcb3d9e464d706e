"""Distilling in a browser: watch the set form, stop, resume, read the judge's table, shrink, export, and check it."""

import json
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from synthstudio.artifacts import ImageSet, Member
from synthstudio.resources import Resources
from synthstudio.workspace import Workspace
from tests.browser.conftest import ready, write

SMALL = """
split.shots=16
split.validation_per_class=5
small.iterations=600
small.real_batch=16
small.width=8
synthetic.inference_steps=2
judge.encoder=null
judge.training_steps=6
judge.batch_size=10
judge.width=8
""".strip()  # a distillation that is quick, not good
CURVE = "training_steps=6\nwidth=8\nimage_size=16\nbatch_size=10"


def wait_for(page, part, *states):
    """Wait for one of the tab's parts to be in one of these states; returns it."""
    page.wait_for_selector(", ".join(f"{part}[data-state={state}]" for state in states), timeout=600_000)
    return page.locator(part).get_attribute("data-state")


def settings_box(page):
    """The form's box of settings, under More."""
    box = page.locator("#ss-distil-settings textarea")
    if not box.is_visible():
        page.locator("#ss-distil-more button").first.click()
    return box


def ask(page, seed=0):
    """Five images per class, and less work than the preset, through the form's own box of settings."""
    page.locator("#ss-distil-per-class input[type=number]").fill("5")
    page.locator("#ss-distil-per-class input[type=number]").press("Tab")
    write(settings_box(page), SMALL)
    page.locator("#ss-distil-seed input").fill(str(seed))
    page.locator("#ss-distil-seed input").press("Tab")
    page.wait_for_selector("#ss-distil-plan >> text=600 updates of 5 images per class")


@pytest.mark.slow
def test_digits_are_distilled_to_five_a_class_watched_stopped_resumed_judged_shrunk_and_exported(
    watched, served, tmp_path
):
    page = watched("/?tab=distil").page
    page.wait_for_selector("studio-distil .ss-empty, studio-distil .ss-distil:visible")
    ask(page)
    page.dblclick("#ss-distil-go")
    wait_for(page, "studio-distil", "running")
    pipeline = page.locator("studio-distil").get_attribute("data-pipeline")

    formed = "() => document.querySelector('.ss-forming')?.naturalWidth > 0"
    page.wait_for_function(formed, timeout=600_000)
    page.locator("studio-distil").get_by_role("button", name="Stop").click()
    wait_for(page, "studio-distil", "stopped")
    page.reload()
    ready(page)
    wait_for(page, "studio-distil", "stopped")
    settings_box(page)
    restored = "text => document.querySelector('#ss-distil-settings textarea')?.value === text"
    page.wait_for_function(restored, arg=SMALL, timeout=60_000)
    page.locator("studio-distil").get_by_role("button", name="Resume").click()
    assert wait_for(page, "studio-distil", "done", "failed") == "done"
    assert page.locator("studio-distil").get_attribute("data-pipeline") == pipeline

    found = read_the_table(page, served, pipeline)
    again = export_and_judge_again(page, served, tmp_path, found)
    assert found["low"] <= again <= found["high"]
    drag_the_slider(page, tmp_path)
    lead_to_train(page)


def lead_to_train(page):
    """A classifier can be trained on the set: the form opens with it, and with the photos it was made from."""
    page.get_by_role("button", name="Train a classifier on them").click()
    page.wait_for_function("() => document.querySelector('#ss-train-synthetic input')?.value.includes('50 images')")
    page.wait_for_function("() => document.querySelector('#ss-train-real input')?.value.includes('shots')")
    assert page.locator("#ss-train-go").is_visible()


def read_the_table(page, served, pipeline):
    """The table holds every baseline, says its split and n, and shows what the report says; returns the method's."""
    page.wait_for_selector("studio-distil .ss-judge-table")
    rows = page.locator(".ss-judge-table tbody tr")
    titles = rows.locator("th[scope=row]").all_inner_texts()
    for name in (
        "random real",
        "herding",
        "k-center",
        "k-means",
        "class mean",
        "decoded mean latent",
        "random synthetic",
    ):
        assert any(name in title for title in titles), (name, titles)
    judge = page.locator(".ss-judge").inner_text()
    assert re.search(r"Split: test, n = \d+ real photos", judge)
    assert "Student’s t over trainings" in judge
    sentence = page.locator("studio-distil .ss-sentence").inner_text()
    assert "On networks it never saw (alexnet, vgg11)" in sentence
    assert "95 % interval" in sentence
    (fold,) = served.get(f"/distil/{pipeline}")["folds"]
    (method,) = [row for row in fold["table"]["rows"] if row["arm"] == "method"]
    shown = page.locator(".ss-judge-table tr[data-arm=method] td").first.inner_text()
    assert f"{100 * method['cells']['augmented']['unseen']['value']:.1f} %" in shown
    page.get_by_role("button", name="Without", exact=True).click()
    shown = page.locator(".ss-judge-table tr[data-arm=method] td").first.inner_text()
    assert f"{100 * method['cells']['plain']['unseen']['value']:.1f} %" in shown
    page.get_by_role("button", name="With augmentation").click()
    return method["cells"]["plain"]["unseen"] | {"judge": fold["table"]["judge"]}


def export_and_judge_again(page, served, folder, found):
    """Export the set, and train the judge's networks on the exported files; returns their mean accuracy."""
    from synthstudio.step import from_json
    from synthstudio.steps.evaluate.exam import Exam

    exported = fetch_export(page, "studio-distil", folder / "set")
    from torchvision.datasets import ImageFolder

    train = ImageFolder(exported / "train")
    assert len(train) == 50
    assert len(train.classes) == 10
    workspace = workspace_of(served)
    run = served.get(f"/runs/{found['judge']}")
    step = from_json(json.dumps({"kind": run["kind"], "version": 1, "fields": run["fields"]}))
    files = [Member(Path(path).parent.name, workspace.put(Path(path).read_bytes())) for path, _ in train.samples]
    work = SimpleNamespace(workspace=workspace, resources=Resources(), scratch=folder)
    again = ImageSet.of("set", files)
    assert again.id != step.images  # marked files are other files, so nothing known is reused
    exam = Exam(work, step, workspace.image_set(step.real), workspace.image_set(step.test))
    cells = [exam.cell(again, name, number, False) for name in ("alexnet", "vgg11") for number in range(step.seeds)]
    return sum(cell.accuracy for cell in cells) / len(cells)


def workspace_of(served):
    """The files of the project that the page works on."""
    (root,) = (path.parent for path in served.home.glob("projects/*/project.json"))
    return Workspace(root)


def fetch_export(page, part, target):
    """Press the part's export button, wait for the link, fetch and unpack the zip."""
    page.locator(f"{part} [data-export-go]").click()
    page.wait_for_selector(f"{part} [data-export-run][data-state=done] a")
    with page.expect_download() as download:
        page.locator(f"{part} [data-export-run] a").first.click()
    archive = target.with_suffix(".zip")
    download.value.save_as(archive)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        opened.extractall(target)
    (inside,) = target.iterdir()
    return inside


def drag_the_slider(page, folder):
    """Draw the curve, move to one image per class, export it; the export holds one image per class."""
    from datasets import load_dataset

    page.locator("#ss-shrink-source").select_option(index=0)
    page.locator("#ss-shrink-sizes").fill("1, 2, 5")
    page.locator("studio-shrink summary").first.click()
    page.locator("#ss-shrink-settings").fill(CURVE)
    page.click("#ss-shrink-go")
    assert wait_for(page, "studio-shrink", "done", "failed") == "done"
    page.wait_for_selector("studio-shrink[data-size='5']")
    slider = page.locator("#ss-shrink-slider")
    slider.focus()
    slider.press("Home")
    page.wait_for_selector("studio-shrink[data-size='1']")
    page.wait_for_selector("studio-shrink h3:has-text('The 10 images that stay')")
    said = page.locator("studio-shrink .ss-card").last.inner_text()
    assert re.search(r"1 a class: \d+\.\d % \(95 % interval", said)
    assert re.search(r"points (lost|gained) against all \d+ images", said)
    assert re.search(r"Split: validation, n = \d+ real photos", said)
    page.reload()
    ready(page)
    page.wait_for_selector("studio-shrink[data-size='1']")
    exported = fetch_export(page, "studio-shrink", folder / "one")
    loaded = load_dataset(str(exported), cache_dir=str(folder / "cache"))
    assert sorted(loaded["train"]["label"]) == list(range(10))
