"""Every button of every tab is pressed with every field wrong, and each time an answer is read."""

import base64

from tests.browser.conftest import write
from tests.browser.modules import inside
from tests.browser.test_a_newcomer import go
from tests.browser.test_tabs import _PASTE
from tests.ui.pictures import png

PYDANTIC = ("Input should", "validation error", "type=", "valid ")
# By form: its tab, its button, what is wrong in each field (by id), and what stands beside that field then.
WRONG = {
    "recipe": (
        "Start",
        "#ss-run",
        [
            ("ss-recipe-shots", "1.5", "Shots per class must be a whole number."),
            ("ss-recipe-folds", "2.5", "Folds must be a whole number."),
            ("ss-seed", "-1", "Seed must be at least 0."),
            ("ss-recipe-settings", "adapter.rank=0", "must be at least 1"),
            ("ss-recipe-device", "toaster", "is not a device"),
            ("ss-recipe-backbone", "picco", "Did you mean pico"),
            ("ss-recipe-encoder", "clipp", "no encoder called"),
        ],
    ),
    "adapt": (
        "Adapt",
        "#ss-adapt-go",
        [
            ("ss-adapt-lora-learning-rate", "999", "Learning rate must be at most 1."),
            ("ss-adapt-lora-training-steps", "abc", "Training steps must be a whole number."),
            ("ss-adapt-lora-batch-size", "1.5", "Batch size must be a whole number."),
            ("ss-adapt-lora-prompt", "a photo of it", "{label}"),
            ("ss-adapt-lora-alpha", "0", "Alpha must be more than 0."),
            ("ss-adapt-lora-epochs", "-3", "Epochs must be more than 0."),
            ("ss-adapt-lora-warmup-steps", "-1", "Warmup steps must be at least 0."),
            ("ss-adapt-lora-weight-decay", "99", "Weight decay must be at most 10."),
            ("ss-adapt-lora-resolution", "9", "Resolution must be"),
            ("ss-adapt-lora-prompt-dropout", "1", "Prompt dropout must be less than 1."),
            ("ss-adapt-lora-min-snr-gamma", "0", "Min snr gamma must be more than 0."),
            ("ss-adapt-lora-diversity", "2", "Diversity must be at most 1."),
            ("ss-adapt-lora-seed", "1.5", "Seed must be a whole number."),
        ],
    ),
    "sample": (
        "Sample",
        "#ss-sample-go",
        [
            ("ss-sample-text-prompt", "a photo of it", "{label}"),
            ("ss-sample-text-seed", "1.5", "Seed must be a whole number."),
            ("ss-sample-text-resolution", "x", "Resolution must be a whole number."),
            ("ss-sample-settings", "guidance_too=3", "Did you mean guidance_to"),
        ],
    ),
    "distil": (
        "Distil",
        "#ss-distil-go",
        [
            ("ss-distil-per-class", "2.5", "Images per class must be a whole number."),
            ("ss-distil-folds", "1.5", "Folds must be a whole number."),
            ("ss-distil-seed", "0.5", "Seed must be a whole number."),
            ("ss-distil-settings", "small.iterations=0", "must be at least 1"),
            ("ss-distil-device", "toaster", "is not a device"),
            ("ss-distil-backbone", "picco", "Did you mean pico"),
        ],
    ),
}


def box_of(page, field):
    """The box of a field; a fold that hides it is opened."""
    box = page.locator(f"#{field} :is(input[type=number], input:not([type]), input[type=text], textarea)").first
    if not box.is_visible():
        page.locator("button.label-wrap:visible:not(.open)").first.click()
        box.wait_for()
    return box


def read_answer(page, form):
    """What stands in the form's place of answers, which is never in the words of a library."""
    place = page.locator(f"#ss-{form}-said .ss-refused")
    place.wait_for()
    text = place.inner_text()
    assert not [words for words in PYDANTIC if words in text], text
    return text


def forget_refusals(shown):
    """A browser writes an answer of 422, or of 404 for a name, to its console; here that is what was wanted."""
    shown.complaints[:] = [text for text in shown.complaints if "status of 4" not in text]


def test_each_wrong_field_of_a_form_is_answered_beside_it_and_at_the_button(watched, served, finished):
    page = watched().page
    runs = len(served.get("/runs", limit=500))
    for form, (tab, button, fields) in WRONG.items():
        go(page, tab)
        for field, wrong, words in fields:
            box = box_of(page, field)
            before = box.input_value()
            write(box, wrong)
            box.press("Tab")
            page.click(button)
            page.wait_for_selector(f"#{field} .ss-fielderror")
            beside = page.locator(f"#{field} .ss-fielderror").inner_text()
            assert words in beside, (field, beside)
            assert beside in read_answer(page, form)
            assert page.locator(f"#{field} [aria-invalid=true]").count() >= 1
            write(box, before)
            box.press("Tab")
    assert len(served.get("/runs", limit=500)) == runs


def test_a_path_that_is_not_there_is_said_beside_photos(watched, finished):
    page = watched().page
    box = page.locator("#ss-data input").first
    box.fill("/no/such/photos")
    box.press("Enter")
    box.press("Tab")
    page.click("#ss-run")
    page.wait_for_selector("#ss-data .ss-fielderror")
    assert "/no/such/photos" in read_answer(page, "recipe")


def test_the_same_mistake_twice_is_answered_twice(watched, finished):
    page = watched("/?tab=adapt").page
    box = box_of(page, "ss-adapt-lora-batch-size")
    for _ in range(2):
        write(box, "0")
        box.press("Tab")
        page.click("#ss-adapt-go")
        page.locator("#ss-adapt-lora-batch-size .ss-fielderror", has_text="at least 1").wait_for()
        box.press("5")  # what is being mended is not complained about
        page.locator("#ss-adapt-lora-batch-size .ss-fielderror").wait_for(state="detached")


def test_sample_without_a_class_asks_for_one(watched, finished):
    page = watched("/?tab=sample").page
    page.locator("#ss-sample-labels .token-remove.remove-all").click()
    page.click("#ss-sample-go")
    page.wait_for_selector("#ss-sample-labels .ss-fielderror >> text=name at least one")
    page.click("#ss-sample-again")
    assert "name at least one" in read_answer(page, "sample")


def test_a_project_without_a_name_is_answered_in_its_panel(watched, finished):
    page = watched().page
    page.click("#ss-open")
    box = page.locator("#ss-project input").first
    box.fill("")
    box.press("Tab")
    page.click("#ss-project-open")
    assert read_answer(page, "project")
    assert page.locator("#ss-project .ss-fielderror").count() == 1


def test_the_tabs_with_forms_of_their_own_answer_in_the_same_way(watched, served, finished):
    shown = watched("/?tab=export")
    page = shown.page
    page.fill("#ss-export-name", "  ")
    page.click("#ss-export-go")
    page.wait_for_selector(".ss-field:has(#ss-export-name) .ss-fielderror")
    page.locator("studio-export .ss-refused", has_text="give the dataset one").wait_for()

    go(page, "Distil")
    page.fill("#ss-shrink-sizes", "1, two")
    page.click("#ss-shrink-go")
    page.wait_for_selector(".ss-field:has(#ss-shrink-sizes) .ss-fielderror >> text=whole numbers")
    page.fill("#ss-shrink-sizes", "1, 2")
    page.locator("studio-shrink summary").first.click()
    for wrong, words in (("training_steps=0", "at least"), ("wdth=8", "width"), ("nonsense", "not a setting")):
        page.fill("#ss-shrink-settings", wrong)
        page.click("#ss-shrink-go")
        page.locator(".ss-field:has(#ss-shrink-settings) .ss-fielderror", has_text=words).wait_for()

    go(page, "Data")
    page.evaluate(_PASTE, [[f"{n}.png", base64.b64encode(png(90 + n)).decode()] for n in range(2)])
    page.wait_for_selector("#ss-loose")
    page.get_by_role("button", name="Put them in this class").click()
    page.locator("#ss-dryrun .ss-fielderror", has_text="write its name first").wait_for()
    page.fill("#ss-loose", "cat")
    page.get_by_role("button", name="Put them in this class").click()
    page.wait_for_selector("#ss-import:not([disabled])")
    page.fill("#ss-title", "")
    page.click("#ss-import")
    page.locator("#ss-dryrun .ss-fielderror", has_text="give these photos one").wait_for()
    page.get_by_role("button", name="Start over").click()
    page.wait_for_selector("#ss-dryrun", state="detached")
    forget_refusals(shown)


def test_a_press_in_runs_that_comes_too_late_is_answered(watched, served, finished):
    shown = watched("/?tab=runs")
    shown.page.wait_for_selector("studio-runs .ss-list tbody tr")
    run = next(one["run"] for one in served.get("/runs", limit=500) if one["state"] == "done")
    shown.page.evaluate(inside("shared/say.js", "it.tell(`/runs/${given}/stop`)"), run)
    said = shown.page.locator("#ss-toast.shown").inner_text()
    forget_refusals(shown)
    assert "only a queued or running run can be stopped" in said
