"""Watching and reviewing by hand, in a real browser: exactly those images, keys, ranges, zoom, the queue, the bell."""

import json

import pytest

from tests.browser.test_a_newcomer import go


def grid(page):
    """Wait for the grid and give it the keys."""
    page.wait_for_function("() => [...document.querySelectorAll('.ss-tile img')].some((one) => one.naturalWidth)")
    page.locator(".ss-grid").focus()


_ALL = "(count) => document.querySelector('.ss-where').textContent.endsWith(` ${count}`)"
_FEWER = "(count) => !document.querySelector('.ss-where').textContent.endsWith(` ${count}`)"
_IN_SIGHT = "() => scrollY > 200 && document.querySelector('studio-bar').getBoundingClientRect().top >= 0"
_BELL = """
  window.asked = 0;
  window.Notification = class {
    static get permission() { return localStorage.getItem('granted') || 'default'; }
    static async requestPermission() {
      window.asked += 1;
      localStorage.setItem('granted', 'granted');
      return 'granted';
    }
  };
"""


def found(page):
    """How many images the grid has."""
    return int(page.locator(".ss-where").inner_text().rpartition(" ")[2])


def test_review_opens_on_exactly_those_images_and_shows_their_scores(watched, served, finished):
    page = watched(f"/?run={finished}").page
    page.get_by_role("button", name="Review the images").click()
    page.locator(".ss-only", has_text="Only datadream-").wait_for()
    grid(page)
    whole = found(page)
    assert whole == served.get("/state", pipeline=finished)["pipeline"]["result"]["counts"]["synthetic"]
    assert "only=" not in page.url  # from here on the filters are the reader's

    page.locator(".ss-more summary").click()
    page.get_by_label("Score", exact=True).select_option("label_agreement")
    page.get_by_label("Scores on tiles").check()
    page.wait_for_selector("#ss-tile-0 .ss-tile-score")
    shown = page.get_by_role("group", name="Score range: label agreement")
    lowest = shown.get_by_role("slider", name="Lowest label agreement")
    lowest.press("PageUp")
    lowest.press("PageUp")
    page.wait_for_function(_FEWER, arg=whole)
    typed = shown.get_by_role("spinbutton", name="Lowest label agreement")
    assert float(typed.input_value()) == pytest.approx(float(lowest.input_value()), rel=1e-3)
    shown.get_by_role("button", name="All").click()
    page.wait_for_function(_ALL, arg=whole)
    typed.fill("0.5")
    typed.press("Enter")
    scores = "() => [...document.querySelectorAll('.ss-tile-score')].map((one) => Number(one.textContent))"
    page.wait_for_function(f"() => ({scores})().every((one) => one >= 0.5)")

    page.get_by_role("button", name="Clear filters").click()
    go(page, "Evaluate")
    page.locator(".ss-confusion button").first.click()
    page.get_by_role("button", name="Review the images made for").first.click()
    page.locator(".ss-only:visible").wait_for()
    page.wait_for_selector(".ss-chip[aria-pressed=true]")
    assert found(page) < whole
    page.get_by_role("button", name="Clear filters").click()


def test_the_large_picture_zooms_beside_the_nearest_photo_and_decides_and_undoes(watched, served, finished):
    page = watched(f"/?only={finished}").page  # others have no photo that they were compared with
    go(page, "Review")
    grid(page)
    assert page.locator(".ss-actions select").evaluate("(one) => getComputedStyle(one).appearance") == "auto"
    page.locator(".ss-more summary").click()
    page.click("[data-value=synthetic]")
    page.wait_for_selector("#ss-tile-0[aria-label*=synthetic]")
    page.locator(".ss-grid").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.locator(".ss-nearest img").wait_for()
    assert "cosine" in page.locator(".ss-nearest").inner_text()
    page.keyboard.press("z")
    page.keyboard.press("z")
    image = page.locator(".ss-view img")
    size = "(one) => [one.clientWidth / one.naturalWidth, getComputedStyle(one).imageRendering]"
    assert image.evaluate(size) == [4, "pixelated"]
    image.hover()
    page.mouse.wheel(0, -100)
    page.wait_for_function("() => document.querySelector('.ss-view').dataset.level === '8'")
    page.keyboard.press("f")
    assert page.locator(".ss-levels [aria-pressed=true]").inner_text() == "Fit"

    before = page.locator(".ss-preview-caption").inner_text()
    page.keyboard.press("3")  # the classes are digits: three is the class "3", not the third
    page.wait_for_selector(".ss-saved[data-kind=good]")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.ss-preview-caption').textContent.startsWith('3 · ')")
    page.keyboard.press("0")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.ss-preview-caption').textContent.startsWith('0 · ')")
    page.keyboard.press("Control+z")
    page.wait_for_function("() => document.querySelector('.ss-preview-caption').textContent.startsWith('3 · ')")
    page.locator(".ss-preview").get_by_role("button", name="Undo").click()
    page.wait_for_function("(text) => document.querySelector('.ss-preview-caption').textContent === text", arg=before)
    page.wait_for_selector(".ss-saved[data-kind=good]")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Clear filters").click()


def test_on_a_phone_the_tenth_class_is_in_sight(watched, finished):
    page = watched(width=390).page
    go(page, "Review")
    grid(page)
    tenth = page.locator(".ss-chip").nth(9).bounding_box()
    assert tenth["x"] >= 0 and tenth["x"] + tenth["width"] <= 390
    bar = page.locator(".ss-chips").bounding_box()
    assert tenth["y"] + tenth["height"] <= bar["y"] + bar["height"] + 1


def test_the_queue_is_put_in_order_by_dragging_and_by_keys(watched, finished):
    page = watched().page
    asked = []

    def waiting(route):
        rows = route.fetch().json()
        for place, row in enumerate(rows[:3], 1):
            row.update(state="queued", state_words="queued", place=place, named=True, name=f"run {place}")
        route.fulfill(json=rows)

    def ordered(route):
        asked.append(json.loads(route.request.post_data)["runs"])
        route.fulfill(json={"runs": asked[-1]})

    page.route("**/runs?*", waiting)
    page.route("**/queue", ordered)
    go(page, "Runs")
    rows = page.locator(".ss-queue li")
    rows.nth(2).wait_for()
    ids = [row.get_attribute("data-run") for row in rows.all()]
    page.get_by_role("button", name="run 3, place 3: start earlier").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_function("() => document.querySelector('.ss-queue li:nth-child(2)').textContent.includes('run 3')")
    assert asked[-1] == [ids[0], ids[2], ids[1]]
    page.wait_for_function("() => document.querySelector('.ss-queue li:nth-child(3)').textContent.includes('run 3')")
    rows.nth(2).drag_to(rows.nth(0), target_position={"x": 20, "y": 2})
    page.wait_for_function("() => document.querySelector('.ss-queue li:nth-child(1)').textContent.includes('run 3')")
    assert asked[-1] == [ids[2], ids[0], ids[1]]
    page.unroute_all(behavior="ignoreErrors")


def test_the_strip_stays_in_sight_and_asks_for_notifications_on_a_press_only(watched, finished):
    page = watched(f"/?run={finished}").page
    working = {
        "run": "r",
        "kind": "sample.text",
        "kind_words": "Make images",
        "state": "running",
        "done": 1,
        "total": 2,
    }

    def state(route):
        found = route.fetch().json()
        route.fulfill(json={**found, "running": [{**working, "unit": "images", "left": None}]})

    page.add_init_script(_BELL)
    page.route("**/studio/@*/state*", state)
    page.reload()
    bell = page.get_by_role("button", name="when it is done")
    bell.wait_for()
    page.wait_for_function(  # again and again: what the page is to show may still be on its way
        "() => { scrollTo(0, 900);"
        " return scrollY > 200 && document.querySelector('studio-bar').getBoundingClientRect().top >= 0; }"
    )
    assert bell.get_attribute("aria-pressed") == "false" and page.evaluate("() => window.asked") == 0
    bell.click()
    page.wait_for_selector(".ss-bell[aria-pressed=true]")
    assert page.evaluate("() => window.asked") == 1
    page.reload()
    page.wait_for_selector(".ss-bell[aria-pressed=true]")
    assert page.evaluate("() => window.asked") == 0
    page.locator(".ss-bell").click()
    page.wait_for_selector(".ss-bell[aria-pressed=false]")
    page.unroute_all(behavior="ignoreErrors")


def test_runs_have_names_and_their_losses_are_laid_over_each_other(watched, served, finished):
    page = watched(f"/?run={finished}").page
    go(page, "Runs")
    picks = page.locator("studio-runs tr[data-run]", has_text="Train a classifier").locator("td.ss-pick input")
    picks.nth(1).wait_for()
    picks.nth(0).check()
    picks.nth(1).check()
    compared = page.get_by_role("region", name="losses compared")
    compared.locator("polyline.ss-line").nth(1).wait_for()
    assert compared.locator(".ss-axis-name").all_text_contents() == ["steps", "loss"]
    assert compared.locator(".ss-tick").count() >= 5
    page.reload()
    page.wait_for_selector("polyline.ss-line >> nth=1")
    row = page.locator("studio-runs tr[data-run]").last
    row.click()
    run = row.get_attribute("data-run")
    page.wait_for_url(f"**show={run}**")
    page.get_by_role("button", name="rename").click()  # of this run, however soon it is pressed
    page.get_by_label("new name").fill("my own name")
    page.get_by_role("button", name="Save").click()
    row.get_by_text("my own name").wait_for()
    assert served.get(f"/runs/{run}")["name"] == "my own name"
    go(page, "Start")
    page.get_by_role("button", name="Keep as a recipe…").click()
    page.get_by_label("name of the recipe").fill("my-digits")
    page.get_by_role("button", name="Save").click()
    page.locator("#ss-toast", has_text="Kept as my-digits").wait_for()


def test_the_digits_card_says_what_to_press(watched):
    page = watched().page
    page.wait_for_selector("#ss-plan >> text=What it will do")
    page.click("#ss-digits")
    page.locator("#ss-toast.shown", has_text="Press Run").wait_for()
