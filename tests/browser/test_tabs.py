"""Each tab does what it offers, once per press, whatever names it is given."""

import json
import os
import re
import signal

import pytest

from tests.browser.test_a_newcomer import go
from tests.ui.pictures import png

_PASTE = """async (files) => {
  const data = new DataTransfer();
  for (const [name, base64] of files) {
    const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
    data.items.add(new File([bytes], name, { type: 'image/png' }));
  }
  document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
}"""


def runs_of(served, kind):
    return [run for run in served.get("/runs", limit=500) if run["kind"] == kind]


def number(page, field, value):
    """Fill the number of a control made from a Step's field; its slider, if it has one, follows."""
    box = page.locator(f"#ss-{field} :is(input, textarea)").first
    box.fill(str(value))
    box.press("Tab")


@pytest.fixture
def adapting(watched, finished):
    """The Adapt tab with its form filled for a training of a few steps; each test has a seed of its own."""

    def open_form(steps, seed):
        page = watched().page
        go(page, "Adapt")
        number(page, "adapt-lora-training-steps", steps)
        number(page, "adapt-lora-batch-size", 2)
        page.locator("button.label-wrap:visible").first.click()
        number(page, "adapt-lora-warmup-steps", 2)
        number(page, "adapt-lora-seed", seed)
        return page

    return open_form


def test_library_lists_models_and_says_in_its_row_why_a_download_did_not_work(watched):
    page = watched().page
    go(page, "Library")
    row = page.locator("studio-models tr[data-model=sd15]")
    row.get_by_role("button", name="Download sd15").click()
    row.get_by_text("cannot be reached, so").wait_for()
    row.get_by_role("button", name="Resume").wait_for()
    assert "bundled" in page.locator("studio-models tr[data-model=pico]").inner_text()
    page.fill("#ss-models-other", "nonsense")
    page.click("#ss-models-fetch")
    page.get_by_text("Name a repository of the Hub").wait_for()


def test_adapt_shows_loss_and_samples_while_training_and_samples_when_asked(adapting, served):
    before = len(runs_of(served, "adapt.lora"))
    page = adapting(16, before)
    page.dblclick("#ss-adapt-go")
    panel = page.locator("studio-latest[kind='adapt.']")
    page.wait_for_selector("studio-latest[kind='adapt.'][data-state=running]")
    panel.get_by_role("button", name="Sample now").click()
    panel.locator(".ss-drawn-row").first.wait_for()
    panel.locator(".ss-curve-loss").wait_for()
    page.wait_for_selector("studio-latest[kind='adapt.'][data-state=done]", timeout=300_000)
    panel.get_by_text("Step 16", exact=True).wait_for()
    assert len(runs_of(served, "adapt.lora")) == before + 1

    first = panel.locator(".ss-curve-loss").get_attribute("points")
    panel.get_by_label("smoothing of the loss").fill("0")
    assert panel.locator(".ss-curve-loss").get_attribute("points") != first

    sampled = len(runs_of(served, "sample.text"))
    panel.get_by_role("button", name="Sample now").dblclick()
    panel.get_by_text("Finished adapter", exact=True).wait_for()
    assert panel.locator(".ss-drawn-row").first.locator("img").count() == 20
    page.wait_for_function(
        "() => [...document.querySelectorAll('.ss-drawn-row img')].every((one) => one.complete && one.naturalWidth)"
    )
    assert len(runs_of(served, "sample.text")) == sampled + 1


def test_a_lost_worker_looks_lost_resumes_and_can_be_marked_as_stopped(adapting, served):
    page = adapting(4000, len(runs_of(served, "adapt.lora")))
    page.click("#ss-adapt-go")
    newest = served.until(lambda: [run for run in runs_of(served, "adapt.lora") if run["state"] == "running"])[0]["run"]
    go(page, "Runs")
    row = page.locator(f"studio-runs tr[data-run='{newest}']")
    row.locator(".ss-state[data-state=running]").wait_for()
    row.click()
    served.until(lambda: served.get(f"/runs/{newest}")["curves"].get("loss"))
    os.kill(pid_of(served, newest), signal.SIGKILL)
    row.locator(".ss-state[data-state=lost]").wait_for()
    page.get_by_role("alert").filter(has_text="Resume the run").wait_for()
    detail = page.locator("studio-runs .ss-detail")
    detail.get_by_role("button", name="Resume").click()
    detail.locator(".ss-state[data-state=running]").wait_for()
    detail.get_by_role("button", name="Mark as stopped").click()
    row.locator(".ss-state[data-state=stopped]").wait_for()
    log = detail.get_by_role("log").inner_text()
    assert ("attempt 1 begins" in log, "attempt 2 begins" in log) == (True, True)
    detail.get_by_text("The same from a terminal").click()
    assert "python -m synthstudio step adapt.lora" in detail.inner_text()


def pid_of(served, run):
    """The worker's process, as it said itself."""
    (log,) = served.home.glob(f"projects/*/runs/{run}/events.jsonl")
    started = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "started"]
    return started[-1]["pid"]


def test_sample_shows_every_prompt_before_and_makes_each_wish_once(watched, served, finished):
    page = watched().page
    go(page, "Sample")
    before = len(runs_of(served, "sample.text"))
    page.locator("#ss-sample-text-prompt textarea").fill("a {domain} of a {label}")
    page.wait_for_selector("#ss-sample-said .ss-refused >> text=domain")
    page.locator("#ss-sample-text-domains textarea").fill("sketch\nneon sign")
    page.wait_for_selector("#ss-sample-preview li:has-text('a neon sign of a')")
    number(page, "sample-text-images-per-class", 1)
    page.locator("button.label-wrap:visible").first.click()
    number(page, "sample-text-inference-steps", 5)
    number(page, "sample-text-seed", before)
    page.wait_for_selector("#ss-sample-preview >> text=10 images from 10 prompts")
    page.dblclick("#ss-sample-go")
    panel = page.locator("studio-latest[kind='sample.']")
    served.until(lambda: len(runs_of(served, "sample.text")) > before)
    page.wait_for_selector("studio-latest[kind='sample.'][data-state=done]")
    panel.locator(".ss-newest img >> nth=9").wait_for()
    assert len(runs_of(served, "sample.text")) == before + 1

    page.dblclick("#ss-sample-again")
    served.until(lambda: len(runs_of(served, "sample.text")) == before + 2)
    assert page.locator("#ss-sample-text-seed input").input_value() != str(before)
    newest = runs_of(served, "sample.text")[0]["run"]
    page.wait_for_selector(f"studio-latest[data-run='{newest}'][data-state=done]")
    panel.get_by_role("button", name="Review these").wait_for()
    assert panel.get_by_role("button", name="Make again").count() == 0  # all of it is still here


def test_t0_is_asked_for_only_where_photos_are_the_start(watched, finished):
    page = watched().page
    go(page, "Sample")
    assert page.get_by_label("t0 (strength)").first.is_hidden()
    page.get_by_label("My shots").click()
    page.get_by_label("t0 (strength)").first.wait_for()
    assert "noised away" in page.locator("#ss-sample-variation-strength").inner_text()


def test_a_cell_of_the_confusion_matrix_opens_its_photos(watched, finished):
    page = watched("/?tab=evaluate").page
    cell = page.locator(".ss-cellbutton").first
    words = cell.get_attribute("aria-label")
    cell.click()
    photos = page.get_by_role("region", name="photos of the chosen cell")
    photos.locator("img").first.wait_for()
    count = int(re.match(r"\d+", words).group())
    assert photos.locator("img").count() == min(60, count)
    assert str(count) in photos.locator("h3").inner_text()
    assert "test photos" in photos.inner_text()


def test_pasted_pictures_get_the_class_that_is_named_and_badges_say_what_is_missing(watched, served):
    import base64

    page = watched("/?tab=data").page
    page.wait_for_selector(".ss-drop")
    page.evaluate(_PASTE, [[f"{n}.png", base64.b64encode(png(70 + n)).decode()] for n in range(3)])
    page.wait_for_selector("#ss-dryrun .ss-state[data-state=block]")
    page.get_by_label("class of the loose files").fill('daisy"><img src=x onerror=alert(1)>')
    page.get_by_role("button", name="Put them in this class").click()
    page.wait_for_selector("#ss-dryrun td:has-text('daisy\"><img src=x onerror=alert(1)>')")
    page.wait_for_selector("#ss-dryrun .ss-state[data-state=block] + span:has-text('only one class')")
    page.get_by_role("button", name="Start over").click()
    page.wait_for_selector("#ss-dryrun", state="detached")


def test_an_upload_cut_in_the_middle_is_said_and_nothing_is_kept(watched, served):
    shown = watched("/?tab=data")
    shown.may_lose_server = True
    page = shown.page
    page.route("**/uploads/*/files*", lambda route: route.abort("connectionreset"))
    page.set_input_files("#ss-files", {"name": "a.png", "mimeType": "image/png", "buffer": png(80)})
    page.locator("studio-data").get_by_text("the connection broke").wait_for()
    assert page.locator("#ss-dryrun").count() == 0
