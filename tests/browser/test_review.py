"""Reviewing in a real browser: keys, undo, reload, a second tab, details, and a page process killed in the middle."""

import json
import uuid

import pytest

from tests.browser.test_a_newcomer import go

_SAVED = ".ss-saved[data-kind=good]"


@pytest.fixture
def page(watched, finished):
    """A fresh tab on the grid with nothing filtered."""
    return grid(watched().page)


def grid(page):
    """Open Review and give it the keys."""
    go(page, "Review")
    page.wait_for_function("() => [...document.querySelectorAll('.ss-tile img')].some((one) => one.naturalWidth)")
    page.locator(".ss-grid").focus()
    return page


def total(served):
    return served.get("/review/view", q="{}")["total"]


def digest_at(served, place):
    query = json.dumps(served.get("/review/view", q="{}")["query"])
    return served.get("/review/page", q=query, start=place, count=1)[0][0]


def decided(served):
    """The last verdict of every decided image."""
    return {image: verdict for image, verdict, *_ in served.get("/review/changes", since=0)["rows"]}


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def test_reject_two_undo_one_a_reload_keeps_it_and_a_second_tab_sees_it(page, watched, served):
    first, second = digest_at(served, 0), digest_at(served, 1)
    press(page, "Home", "u", "u", "Home", "x", "x", "Control+z")
    page.wait_for_selector(_SAVED)
    assert (decided(served)[first], decided(served)[second]) == ("reject", "clear")
    page.reload()
    page.wait_for_selector("#ss-tile-0[data-standing=rejected]")
    page.wait_for_selector("#ss-tile-1[data-standing=pending]")
    other = grid(watched().page)
    press(other, "Home", "p")
    other.wait_for_selector("#ss-tile-0[data-standing=accepted]")
    page.bring_to_front()
    page.wait_for_selector("#ss-tile-0[data-standing=accepted]")


def test_only_what_is_in_sight_exists(page, served):
    press(page, "End")
    page.wait_for_selector(f"#ss-tile-{total(served) - 1}[data-standing]")
    assert page.locator(".ss-tile").count() < 200
    press(page, "Home")
    page.wait_for_selector("#ss-tile-0[data-standing]")


def test_a_selection_is_decided_at_once_and_undone_at_once(page, served):
    before = decided(served)
    page.locator("#ss-tile-4").click()
    page.locator("#ss-tile-8").click(modifiers=["Shift"])
    page.locator("#ss-tile-10").click(modifiers=["Control"])
    press(page, "x")
    page.wait_for_selector("#ss-tile-10[data-standing=rejected]")
    page.wait_for_selector(_SAVED)
    digests = [digest_at(served, place) for place in (4, 5, 6, 7, 8, 10)]
    assert all(decided(served)[digest] == "reject" for digest in digests)
    press(page, "Control+z")
    page.wait_for_selector("#ss-tile-10:not([data-standing=rejected])")
    page.wait_for_selector(_SAVED)
    assert all(decided(served)[digest] == before.get(digest, "clear") for digest in digests)


def test_what_rejects_share_is_told_and_one_press_rejects_all_of_it_until_it_is_undone(page, served):
    high, others = by_guidance(served)
    pending, rejected = high[3:6], high[:3] + high[6:]
    decide(served, clear=pending, reject=rejected, keep=others)
    page.get_by_role("button", name="1 cause of rejects").click()
    causes = page.get_by_role("region", name="Why images were rejected")
    causes.get_by_text("of rejects share guidance ≥", exact=False).wait_for()
    causes.get_by_role("button", name="pending").click()
    causes.get_by_text("Rejected as a whole").wait_for()
    assert all(decided(served)[digest] == "reject" for digest in pending)
    page.locator(".ss-grid").focus()
    press(page, "Control+z")
    causes.get_by_role("button", name="pending").wait_for()
    assert all(decided(served)[digest] == "clear" for digest in pending)
    causes.get_by_role("button", name="Sample again without it").click()
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]:has-text('Sample')")
    page.get_by_text("without guidance ≥", exact=False).wait_for()
    page.locator("#ss-sample-preview").get_by_text(f"{wanted(served)} images from", exact=False).wait_for()
    decide(served, clear=[*high, *others])


def wanted(served):
    """How many images the form asks for in the place of what was rejected."""
    query = json.dumps(served.get("/review/view", q="{}")["query"])
    (cause,) = served.get("/review/causes", q=query)["causes"]
    fields = served.get("/review/without", q=query, cause=json.dumps(cause["cause"]))["fields"]
    assert 4 < fields["guidance_to"] < 8
    return len(fields["labels"]) * fields["images_per_class"]


def by_guidance(served):
    """The images of the recipe: the eleven with the highest guidance, and the others."""
    query = served.get("/review/view", q='{"origins": ["synthetic"]}')["query"]
    rows = served.get("/review/page", q=json.dumps(query), start=0, count=30)
    made = {row[0]: served.get(f"/review/details/{row[0]}")["made"][0]["made"]["guidance_scale"] for row in rows}
    ordered = sorted(made, key=made.get, reverse=True)
    return ordered[:11], ordered[11:]


def decide(served, **verdicts):
    acts = [{"id": str(uuid.uuid4()), "verdict": verdict, "images": some} for verdict, some in verdicts.items()]
    served.post("/review/decide", project="default", tab=str(uuid.uuid4()), acts=acts)


def test_a_selection_is_frozen_once_however_often_the_button_is_pressed(page, served):
    def freezes():
        return [run["kind"] for run in served.get("/runs", limit=500)].count("collect.freeze")

    before = freezes()
    page.locator("#ss-tile-4").click()
    page.locator("#ss-tile-8").click(modifiers=["Shift"])
    page.get_by_role("button", name="Freeze…").click()
    page.get_by_role("button", name="The selected images").dblclick()
    page.get_by_text("5 images in", exact=False).wait_for()
    assert freezes() == before + 1
    measure = page.locator("dialog studio-measured a")  # nothing has measured it yet: one press leads to the form
    measure.wait_for()
    measure.click()
    page.wait_for_function("() => document.querySelector('#ss-measure-images input')?.value.includes('(5 images)')")
    assert page.locator("#ss-measure-references input").first.input_value().startswith("validation")


def test_keys_typed_elsewhere_decide_nothing(page, served):
    before = served.get("/review/changes", since=0)["last"]
    go(page, "Sample")
    page.locator("#ss-sample-text-prompt textarea").click()
    page.keyboard.type("pxu123")
    page.keyboard.press("Tab")
    page.evaluate("() => document.activeElement.blur()")
    page.keyboard.type("pxu123")
    go(page, "Review")
    page.wait_for_selector("#ss-tile-0[data-standing]")
    assert served.get("/review/changes", since=0)["last"] == before


def test_details_say_how_an_image_was_made_and_lend_its_settings(page, served):
    page.locator(".ss-more summary").click()
    page.click("[data-value=synthetic]")
    page.wait_for_selector("[data-value=synthetic][aria-pressed=true]")
    page.locator(".ss-grid").focus()
    press(page, "Home")
    drawer = page.locator(".ss-drawer")
    drawer.get_by_text("Made from noise (make images from prompts)").first.wait_for()
    drawer.get_by_text("Nearest real image").wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.ss-drawer figure img')].some((one) => one.naturalWidth)"
    )
    assert "cosine" in drawer.inner_text()
    assert "label agreement" in drawer.inner_text()
    shown = page.locator("#ss-tile-0 img").get_attribute("src")
    drawer.get_by_role("button", name="Similar images").click()  # itself first, of all origins
    page.get_by_role("button", name="Most similar to one image: show all images again").wait_for()
    page.wait_for_function("(src) => document.querySelector('#ss-tile-0 img')?.getAttribute('src') === src", arg=shown)
    drawer.get_by_role("button", name="Use these settings").first.click()
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]:has-text('Sample')")
    page.wait_for_selector("#ss-sample-preview >> text=30 images from 10 prompts")
    go(page, "Review")
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_selector("[data-value=synthetic][aria-pressed=false]", state="attached")
    page.click("[data-value=pending]")
    page.wait_for_selector("[data-value=pending][aria-pressed=true]")
    page.locator(".ss-grid").focus()
    press(page, "w")  # by words, which a run reads, under the filters of the view
    page.keyboard.type("a photo of a <b>3</b>")
    press(page, "Enter")
    words = page.get_by_role("button", name="Most similar to a photo of a <b>3</b>: show all images again")
    words.wait_for()
    assert page.get_by_label("Order").input_value() == "score_high"
    page.wait_for_selector("[data-value=pending][aria-pressed=true]")
    words.click()
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_selector("[data-value=pending][aria-pressed=false]", state="attached")


def test_a_view_is_saved_found_again_by_its_link_and_list_renamed_and_deleted(page, served):
    view = page.get_by_label("View", exact=True)
    page.click("[data-value=accepted]")
    page.wait_for_selector("[data-value=accepted][aria-pressed=true]")
    page.get_by_role("button", name="Save view…").click()
    page.get_by_role("dialog").get_by_label("Name").fill("what I <b>kept</b>")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog", state="detached")
    assert view.input_value() == "what I <b>kept</b>"
    assert view.get_attribute("title") == "Accepted images; as they came."
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_url(lambda url: "view=" not in url)
    view.select_option("what I <b>kept</b>")
    page.wait_for_selector("[data-value=accepted][aria-pressed=true]")
    page.evaluate("() => localStorage.clear()")  # as in a browser that was never here
    page.reload()
    page.wait_for_selector("[data-value=accepted][aria-pressed=true]")
    page.get_by_role("button", name="Edit view…").click()
    page.get_by_role("dialog").get_by_label("Name").fill("kept")
    page.get_by_role("button", name="Rename").click()
    page.wait_for_url("**view=kept*")
    page.get_by_role("button", name="Edit view…").click()
    page.get_by_role("button", name="Delete this view").click()
    view.wait_for(state="hidden")
    assert served.get("/review/start")["views"] == []
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_selector("[data-value=accepted][aria-pressed=false]", state="attached")


def test_chips_say_what_filters_the_view_by_settings_scores_and_tags_and_each_is_taken_away_alone(page, served):
    whole = total(served)
    page.locator("#ss-tile-0").click()
    page.locator("#ss-tile-1").click(modifiers=["Shift"])
    press(page, "t")
    page.get_by_role("dialog").get_by_role("textbox").fill("to keep, <b>odd</b>")
    press(page, "Enter")
    page.locator(".ss-saved", has_text="Tagged: to keep, <b>odd</b>").wait_for()
    page.locator(".ss-more summary").click()
    field = page.get_by_label("Filter by")
    field.select_option("tag")
    page.locator(".ss-values").get_by_text("<b>odd</b> 2").click()
    chips = page.get_by_role("group", name="What filters the view")
    chips.get_by_text("tag: <b>odd</b>").wait_for()
    page.get_by_text("1 of 2", exact=True).wait_for()
    chips.get_by_role("button", name="Remove the filter tag").click()
    field.select_option("guidance_scale")
    plot = page.get_by_role("group", name="Range: guidance")
    plot.locator(".ss-histogram i").first.wait_for()
    assert " have no guidance" in plot.get_by_role("status").inner_text()  # photos have none
    plot.get_by_role("slider", name="Lowest guidance").press("PageUp")
    chips.get_by_text("guidance ≥").wait_for()
    field.select_option("prompt")
    page.get_by_label("prompt contains").fill("PHOTO of a 3")
    press(page, "Enter")
    chips.get_by_text("prompt has “PHOTO of a 3”").wait_for()
    page.get_by_role("button", name="Show as SQL").click()
    assert "ilike '%PHOTO of a 3%'" in page.locator(".ss-sql").inner_text()
    press(page, "Escape")
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_text(f"1 of {whole}", exact=True).wait_for()
    page.locator(".ss-grid").focus()
    press(page, "Control+z")
    served.until(lambda: served.get("/review/start")["tags"] == [])


def test_a_killed_page_process_loses_no_decision_and_the_tab_comes_back_by_itself(watched, served, finished):
    shown = watched()
    shown.may_lose_server = True
    page = shown.page
    page.get_by_label("Shots per class").first.fill("9")
    grid(page)
    page.evaluate("() => { window.stillThere = true; }")
    page.locator("#ss-tile-20").click()
    for number in range(30):
        press(page, "x" if number % 3 else "p")
        if number == 12:
            acknowledged = decided(served)
            served.kill()
    page.wait_for_selector(".ss-saved[data-kind=bad]")
    page.wait_for_selector("html.ss-offline", state="attached")
    assert page.locator(".ss-tile.problem").count() > 0
    served.start()
    assert {image: decided(served)[image] for image in acknowledged} == acknowledged
    page.wait_for_selector("html:not(.ss-offline)", state="attached")
    page.wait_for_selector(_SAVED)
    assert page.evaluate("() => window.stillThere") is True
    stands = decided(served)
    expected = ["reject" if number % 3 else "keep" for number in range(30)]
    assert [stands[digest_at(served, 20 + number)] for number in range(30)] == expected
    assert page.get_by_label("Shots per class").first.input_value() == "9"


def test_a_lasso_on_the_map_chooses_for_the_grid_and_a_twin_and_a_hole_are_one_press_away(page, served):
    page.get_by_role("button", name="Map", exact=True).click()
    stage = page.locator(".ss-map-stage")
    said = page.locator(".ss-map-said")
    said.filter(has_text="sees them").wait_for()  # there was no map: one press has made it
    placed = int(said.inner_text().split()[0].replace(",", ""))
    assert 0 < placed <= total(served)
    rejected = page.locator("button:not([data-label])").filter(has_text="Rejected")
    before = rejected.inner_text()
    box = stage.bounding_box()
    corners = [(2, 2), (box["width"] - 3, 2), (box["width"] - 3, box["height"] - 3), (2, box["height"] - 3)]
    page.keyboard.down("Shift")
    for number, (x, y) in enumerate(corners):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=3)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    page.keyboard.up("Shift")
    page.get_by_text(f"{placed} selected").wait_for()
    press(page, "x")
    served.until(lambda: int(rejected.inner_text().split()[-1].replace(",", "")) >= placed)
    page.select_option(".ss-map select", "decision")
    page.locator(".ss-map select").focus()
    press(page, "Control+z")  # a list has nothing of its own to undo
    served.until(lambda: rejected.inner_text() == before)
    page.get_by_role("button", name="Clear", exact=True).click()
    stage.focus()
    press(page, "ArrowRight", "ArrowDown", "+")
    page.locator(".ss-map-card img").wait_for()
    facts = page.locator(".ss-map-card").inner_text()
    assert "real, " in facts or "synthetic, " in facts
    page.get_by_role("button", name="holes").click()
    page.locator(".ss-map-holes").get_by_role("button", name="Make 8").first.click()
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]:has-text('Sample')")
    page.wait_for_function("() => document.querySelector('#ss-sample-labels')?.innerText.trim().endsWith('8')")
    assert page.locator("#ss-sample-start input:checked").input_value() == "My shots"
    go(page, "Review")
    page.get_by_role("button", name="Grid", exact=True).click()
    page.locator(".ss-grid").focus()
    press(page, "Home")
    page.wait_for_selector("#ss-tile-0[data-standing]")
