"""Pictures dropped one after another: classes add up, what is wrong can be taken out, the way on stays in sight."""

import urllib.request

from synthstudio.provenance import Origin
from synthstudio.step import build
from synthstudio.steps.export.marks import how, marked
from tests.browser.conftest import write
from tests.browser.test_refusals import forget_refusals
from tests.ui.pictures import png


def drop(page, first, count, name="IMG_{}.png"):
    """Loose files, as a phone calls them."""
    files = [{"name": name.format(n), "mimeType": "image/png", "buffer": png(first + n)} for n in range(count)]
    page.set_input_files("#ss-files", files)
    page.wait_for_selector("#ss-loose")


def name_class(page, label):
    page.fill("#ss-loose", label)
    page.get_by_role("button", name="Put them in this class").click()
    page.wait_for_selector(f"#ss-dryrun td:text-is('{label}')")


def classes(page):
    rows = page.locator("#ss-dryrun table").first.locator("tbody tr")
    return {row.locator("td").nth(0).inner_text(): int(row.locator("td").nth(1).inner_text()) for row in rows.all()}


def test_loose_pictures_of_three_classes_become_one_import_on_a_phone(watched, served):
    page = watched("/?tab=data", width=390, height=780).page
    runs = len(served.get("/runs", limit=500))
    for number, label in enumerate(("stripes", "dots", "rings")):
        drop(page, 1000 + 20 * number, 5)
        name_class(page, label)
    assert classes(page) == {"dots": 5, "rings": 5, "stripes": 5}
    drop(page, 1000, 2)  # two of the stripes again
    name_class(page, "dots")
    page.wait_for_selector("#ss-dryrun >> text=2 pictures lie in two classes")
    for n in range(2):
        page.get_by_role("button", name=f"Remove dots/IMG_{n} (2).png").click()
        page.wait_for_selector(f"[aria-label='Remove dots/IMG_{n} (2).png']", state="detached")
        page.wait_for_selector("#ss-dryrun")
    page.get_by_role("button", name="Remove the class rings").click()
    page.wait_for_selector("#ss-import:text-is('Import 10 photos')")
    page.locator("#ss-dryrun h2").scroll_into_view_if_needed()
    box = page.locator("#ss-import").bounding_box()
    assert box["y"] + box["height"] <= 780, "the button has to stay in sight"
    page.click("#ss-import")
    page.wait_for_selector("studio-data >> text=Imported. Next:")
    assert len(served.get("/runs", limit=500)) == runs + 1
    assert any(one["counts"] == {"dots": 5, "stripes": 5} for one in served.get("/data")["imports"])


def test_a_long_list_keeps_its_import_button_in_sight(watched, served):
    page = watched("/?tab=data", width=1360, height=700).page
    files = [{"name": f"{n}.txt", "mimeType": "text/plain", "buffer": b"no picture"} for n in range(60)]
    page.set_input_files("#ss-files", [*files, {"name": "1.png", "mimeType": "image/png", "buffer": png(1)}])
    page.wait_for_selector("#ss-loose")
    page.locator("#ss-dryrun summary").click()
    for place in (page.locator("#ss-dryrun h2"), page.locator("#ss-dryrun td").nth(50)):
        place.scroll_into_view_if_needed()
        box = page.locator(".ss-importbar").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= 700
    page.get_by_role("button", name="Start over").click()
    page.wait_for_selector("#ss-dryrun", state="detached")


def test_the_sampling_bench_goes_from_a_dropped_image_to_enough_accepted_ones_on_one_page(watched, served):
    shown = watched("/?tab=sample")
    a_dropped_image_fills_the_form(shown)
    prompts_are_mixed_and_shown_before_they_are_drawn(shown.page)
    a_ladder_of_t0_sets_a_range(shown.page)
    a_cell_of_a_grid_sets_its_settings(shown.page)
    eight_of_each_class_are_made_until_they_are_accepted(shown.page, served)
    an_exported_image_is_made_again(shown.page, served)
    settings_are_swept_and_a_trial_is_used(shown.page)


def a_dropped_image_fills_the_form(shown):
    fields = {"backbone": f"pico@{'a' * 64}", "adapter": f"adapter:{'b' * 64}", "labels": ["stripes", "rings"],
              "prompt": "a sketch of {label}", "seed": 77, "images_per_class": 3}  # fmt: skip
    step = build("sample.text", fields)
    origin = Origin({}, 0.0, {}, request={"kind": step.kind, "step": step.id, "fields": step.fields}, index=1)
    note, page = how(origin, "rings", None), shown.page
    read_image(page, png(1))
    page.locator("#ss-fromimage-said", has_text="carries no settings").wait_for()
    forget_refusals(shown)
    read_image(page, marked(png(1), {"width": 24, "height": 24}, "rings", note))
    found = page.locator("#ss-fromimage-found")
    found.get_by_role("button", name="Use all").click()
    page.wait_for_selector("#ss-sample-preview >> text=6 images from 2 prompts")
    assert box(page, "sample-text-prompt").input_value() == "a sketch of {label}"
    assert "The adapter" in found.inner_text() and "cannot be made again here" in found.inner_text()
    assert found.get_by_role("button", name="Make again").count() == 0


def prompts_are_mixed_and_shown_before_they_are_drawn(page):
    page.locator("#ss-sample-labels .remove-all").click()
    for label in ("3", "7"):
        page.locator("#ss-sample-labels input").fill(label)
        page.keyboard.press("Enter")
    write(box(page, "sample-text-prompt"), "a {domain} of {label}")
    write(box(page, "sample-text-domains"), "photo, sketch")
    page.click("#ss-sample-more > button")
    write(box(page, "sample-settings"), 'domain_shares=["photo = 3"]\ntemplates=a small {domain} of {label}')
    page.wait_for_selector("#ss-sample-preview >> text=6 images from 4 prompts")
    drawn = page.locator("#ss-sample-preview li").all_inner_texts()
    assert drawn == ["a small photo of 3", "a small sketch of 3", "a photo of 7", "a sketch of 7"]


def a_ladder_of_t0_sets_a_range(page):
    page.click("#ss-grid > button")
    page.click("#ss-grid-ladder")
    grid = page.locator("studio-grid[data-state=done]")
    grid.locator("td[data-cell='8'] img").wait_for(timeout=120_000)
    assert grid.locator("td img").count() == 9
    scores = grid.locator("td").first.inner_text().split("\n")
    assert scores[0] in ("a copy", *(f"photo {n / 100:.2f}" for n in range(101))) and scores[1].startswith("class ")
    grid.get_by_label("lowest t0").fill("1")
    grid.get_by_label("highest t0").fill("4")
    assert grid.locator("td.ss-in-range").count() == 4
    grid.get_by_role("button", name="Use this range").click()
    page.wait_for_function("() => document.querySelector('#ss-sample-variation-strength input')?.value === '0.2'")
    assert page.locator("#ss-sample-start input:checked").input_value() == "My shots"
    said = box(page, "sample-settings").input_value()
    assert "strength_to=0.5" in said and 'domain_shares=["photo = 3"]' in said


def a_cell_of_a_grid_sets_its_settings(page):
    grid = page.locator("studio-grid[data-state=done]")
    ladder = grid.get_attribute("data-run")
    box(page, "grid-y-values").fill("4, 6")
    page.click("#ss-grid-go")
    page.locator("#ss-grid-said", has_text="choose the field that these values are of").wait_for()
    page.locator("#ss-grid-y input").click()
    page.get_by_role("option", name="Inference steps").click()
    page.click("#ss-grid-go")
    page.locator(f"studio-grid[data-state=done]:not([data-run='{ladder}'])").wait_for(timeout=120_000)
    cell = grid.locator("td[data-cell='6']")  # second row, third column
    cell.locator("button").click()
    page.wait_for_function("() => document.querySelector('#ss-sample-text-guidance-scale input')?.value === '4'")
    assert page.locator("#ss-sample-text-inference-steps input").first.input_value() == "6"


def eight_of_each_class_are_made_until_they_are_accepted(page, served):
    page.click("#ss-until > button")
    bounds = {"label-agreement-above-chance": "0.01", "nearest-real-at-most": "one"}
    for name, text in bounds.items():
        write(box(page, f"until-{name}"), text)
    write(box(page, "sample-until-accepted"), "8")
    write(box(page, "sample-until-images-per-class"), "16")
    page.click("#ss-until-go")
    page.locator("#ss-until-said", has_text="Nearest real, at most: give a number").wait_for()
    write(box(page, "until-nearest-real-at-most"), "1")
    page.click("#ss-until-go")
    page.locator("studio-until[data-state=done]").wait_for(timeout=120_000)
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator("studio-until tbody tr").all()]
    assert [row[:3] for row in rows] == [["3", "8 of 8", "8"], ["7", "8 of 8", "8"]]
    assert (
        page.locator("studio-until").inner_text().startswith("16 of 16 accepted · 16 of at most 32 images made · done")
    )
    run = page.locator("studio-until").get_attribute("data-run")
    made = served.get(f"/runs/{run}")
    assert made["fields"]["strength_to"] == 0.5 and set(made["outputs"]) >= {"images", "made", "label_agreement"}


def an_exported_image_is_made_again(page, served):
    run = page.locator("studio-until").get_attribute("data-run")
    digest = served.get(f"/runs/{run}")["images"][0]["digest"]
    with urllib.request.urlopen(f"{served.url}/studio/images/{digest}/file") as file:
        read_image(page, file.read())
    found = page.locator("#ss-fromimage-found")
    found.get_by_role("button", name="Make again").click()
    found.locator("text=Made again: the very same bytes.").wait_for()


def box(page, name):
    """The box of a control, or the number beside its slider."""
    return page.locator(f"#ss-{name} :is(input[type=number], input[type=text], input:not([type]), textarea)").first


def read_image(page, data):
    page.set_input_files("#ss-fromimage-file", {"name": "a.png", "mimeType": "image/png", "buffer": data})


def settings_are_swept_and_a_trial_is_used(page):
    page.click("#ss-sweep > button")
    write(box(page, "sweep-try-guidance-scale"), "9:2")
    write(box(page, "sweep-try-inference-steps"), "4, 6")
    write(box(page, "sweep-best-trials"), "2")
    write(box(page, "sweep-best-images-per-class"), "3")
    page.click("#ss-sweep-go")
    page.locator("#ss-sweep-said", has_text="the range of guidance_scale is empty").wait_for()
    write(box(page, "sweep-try-guidance-scale"), "")
    page.click("#ss-sweep-go")
    swept = page.locator("studio-sweep[data-state=done]")
    swept.wait_for(timeout=120_000)
    assert swept.locator("tbody tr").count() == 2 and "validation photos" in swept.inner_text()
    steps = swept.locator("tr[data-trial='2'] td").first.inner_text()
    swept.get_by_role("button", name="Use the settings of trial 2").click()
    page.wait_for_function(
        f"() => document.querySelector('#ss-sample-text-inference-steps input')?.value === '{steps}'"
    )
