"""The loop with photographs, in a browser: a zip, a recipe, a review, what it was worth, and an export of just that."""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import SMALL, Served, Watched, ready, write
from tests.browser.test_a_newcomer import go

_SIDE, _PER_CLASS, _SHOTS = 64, 12, 4
_SETTINGS = f"{SMALL}\nsample.images_per_class=8\nkeep.minimum_per_class=6\nsplit.test_fraction=0.4"
_SAVED = ".ss-saved[data-kind=good]"


def _shapes(chance):
    """What is drawn: a value between 0 and 1 for every pixel, for each class."""
    y, x = np.mgrid[:_SIDE, :_SIDE] + chance.uniform(0, 9)
    wide = chance.uniform(5, 9)
    return {
        "stripes": (np.sin(2 * np.pi * (x * np.cos(a := chance.uniform(0, 3)) + y * np.sin(a)) / wide) > 0) * 1.0,
        "checks": ((x // wide + y // wide) % 2),
        "dots": ((x % (2 * wide) - wide) ** 2 + (y % (2 * wide) - wide) ** 2 < (wide / 2) ** 2) * 1.0,
        "noise": chance.uniform(0, 1, (_SIDE, _SIDE)),
        "gradients": np.clip((x * chance.uniform(0.3, 1) + y * chance.uniform(0.3, 1)) / (1.6 * _SIDE), 0, 1),
        "rings": (np.sin(2 * np.pi * np.hypot(x - _SIDE / 2, y - _SIDE / 2) / wide) > 0) * 1.0,
    }


def photographs() -> bytes:
    """Six classes of textures in colours of chance, as a zip of JPEG files in class folders."""
    chance, out = np.random.default_rng(20261127), io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(_PER_CLASS):
            for label, mask in _shapes(chance).items():
                first, second = chance.integers(0, 256, (2, 3))
                pixels = (
                    mask[..., None] * first + (1 - mask[..., None]) * second + chance.normal(0, 6, (_SIDE, _SIDE, 3))
                )
                photo = io.BytesIO()
                Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(photo, "JPEG", quality=92)
                archive.writestr(f"textures/{label}/{number}.jpg", photo.getvalue())
    return out.getvalue()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    page = Served(tmp_path_factory.mktemp("photographs") / "home")
    page.start()
    yield page
    page.stop()


@pytest.fixture
def page(chromium, own):
    context = chromium.new_context(viewport={"width": 1360, "height": 900}, accept_downloads=True)
    context.set_default_timeout(120_000)
    found = Watched(context.new_page(), own.url)
    found.page.goto(f"{own.url}/?tab=data")
    ready(found.page)
    yield found.page
    context.close()
    found.check()


def test_from_photographs_to_an_export_of_what_was_chosen(page, own, tmp_path):
    bring_in(page)
    run_the_recipe(page)
    rejected, moved = review(page, own)
    numbers = freeze_and_ask(page)
    open_a_wrong_answer(page)
    folder = export(page, tmp_path)
    check_the_images(folder, own, rejected, moved)
    check_the_numbers(folder, numbers)


def bring_in(page):
    page.set_input_files("#ss-files", {"name": "textures.zip", "mimeType": "application/zip", "buffer": photographs()})
    page.wait_for_selector(f"#ss-import:text-is('Import {6 * _PER_CLASS} photos')")
    page.click("#ss-import")
    page.get_by_role("button", name="choose a recipe", exact=True).click()
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]:has-text('Start')", state="attached")


def run_the_recipe(page):
    page.wait_for_function("() => document.querySelector('#ss-data input').value.startsWith('My photos')")
    page.get_by_label("Shots per class").first.fill(str(_SHOTS))
    page.get_by_role("button", name="More").first.click()
    write(page.get_by_label("Settings"), _SETTINGS)
    page.wait_for_selector("#ss-plan >> text=20 training steps")
    page.click("#ss-run")
    page.wait_for_selector("studio-live[data-state=done] .ss-answer .ss-arm", timeout=1_200_000)
    assert "chosen" in page.locator("studio-live [data-part=eye]").inner_text()


def standing(own):
    """What was decided last of each image: (verdict, class given by hand)."""
    return {image: row for image, *row in own.get("/review/changes", since=0)["rows"]}


def review(page, own):
    page.locator("studio-live").get_by_role("button", name="Review the images").click()
    page.wait_for_function("() => [...document.querySelectorAll('.ss-tile img')].some((one) => one.naturalWidth)")
    page.locator(".ss-grid").focus()
    page.keyboard.press("Home")
    for _ in range(20):
        page.keyboard.press("x")
    page.wait_for_selector(_SAVED)
    for key in ("1", "6"):
        page.keyboard.press(key)
    page.wait_for_selector(_SAVED)
    own.until(lambda: len(standing(own)) == 22)
    rejected = {image for image, (verdict, *_) in standing(own).items() if verdict == "reject"}
    moved = {image: given[0] for image, (verdict, *given) in standing(own).items() if verdict == "relabel"}
    assert (len(rejected), len(moved)) == (20, 2)
    return rejected, moved


def freeze_and_ask(page):
    """The four accuracies of the review, as the page shows them."""
    page.get_by_role("button", name="Freeze…").click()
    page.fill("#ss-freeze-name", "my choice")
    page.get_by_role("button", name="Everything that is not rejected").click()
    page.get_by_text("are frozen as “my choice”").wait_for()
    page.locator("dialog").get_by_role("button", name="Did my review help?").click()
    page.wait_for_selector("studio-live[data-state=done] .ss-arm[data-arm=random]", timeout=1_200_000)
    arms = page.locator("studio-live .ss-answer .ss-arm")
    assert arms.count() == 4
    return {arm.get_attribute("data-arm"): arm.locator("b").inner_text() for arm in arms.all()}


def open_a_wrong_answer(page):
    page.get_by_role("button", name="Look closer at the numbers").click()
    cells = page.locator("studio-evaluate .ss-cellbutton")
    cells.first.wait_for()
    words = [re.match(r"(\d+) of \d+ “(.+)” called “(.+)”", cell.get_attribute("aria-label")) for cell in cells.all()]
    wrong = next((n for n, found in enumerate(words) if found[2] != found[3]), 0)
    cells.nth(wrong).click()
    photos = page.get_by_role("region", name="photos of the chosen cell")
    photos.locator("img").first.wait_for()
    assert photos.locator("img").count() == int(words[wrong][1])


def export(page, folder):
    go(page, "Export")
    page.wait_for_selector("#ss-export-selection option:has-text('my choice')", state="attached")
    page.select_option(
        "#ss-export-selection", label=page.locator("#ss-export-selection option", has_text="my choice").inner_text()
    )
    page.fill("#ss-export-name", "textures")
    page.click("#ss-export-go")
    link = page.locator("[data-export='export.image_folder'][data-state=done] a[download]")
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    download.value.save_as(folder / "export.zip")
    with zipfile.ZipFile(folder / "export.zip") as archive:
        archive.extractall(folder / "out")
    (found,) = (folder / "out").iterdir()
    return found


def check_the_images(folder, own, rejected, moved):
    from datasets import load_dataset

    loaded = load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))
    train, names = loaded["train"], loaded["train"].features["label"].names
    assert sorted(names) == sorted(["stripes", "checks", "dots", "noise", "gradients", "rings"])
    made = {row["id"]: row for row in train if row["source"] == "synthetic"}
    frozen = next(one for one in own.get("/exports")["selections"] if one["name"] == "my choice")
    assert len(made) == frozen["size"]
    assert not rejected & set(made)
    assert {image: names[made[image]["label"]] for image in moved} == moved
    assert {made[image]["review_status"] for image in moved} == {"relabelled"}
    assert {row["review_status"] for image, row in made.items() if image not in moved} == {"unreviewed"}
    assert sum(row["source"] == "real" for row in train) == 6 * _SHOTS
    assert made[next(iter(made))]["image"].size == (_SIDE, _SIDE)
    decided = (folder / "decisions.csv").read_text()
    assert all(image in decided for image in rejected)


def check_the_numbers(folder, numbers):
    card = (folder / "README.md").read_text()
    for arm, words in (("real_only", "real images only"), ("selection", "real images and the reviewed selection"),
                       ("random", "real images and a random selection of the same size")):  # fmt: skip
        shown = float(numbers[arm].removesuffix(" %")) / 100
        assert f"| {words} | {shown:.3f} |" in card, json.dumps(numbers)
