"""How the page looks: no tab scrolls sideways on a phone, and the README's pictures can be made."""

import os
from pathlib import Path

import pytest
from PIL import Image, ImageStat

from tests.browser import screenshots
from tests.browser.conftest import ready, recipe, write
from tests.browser.modules import inside
from tests.browser.screenshots import DRAWN
from tests.browser.test_a_newcomer import go


def test_no_tab_scrolls_sideways_on_a_phone(watched, finished):
    page = watched(f"/?run={finished}", width=390).page
    for name, drawn in DRAWN.items():
        go(page, name)
        page.wait_for_selector(drawn)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 390, f"{name} is {width} pixels wide"


@pytest.mark.slow
def test_the_pictures_of_the_readme_can_be_made(watched, served, request, tmp_path):
    folder = os.environ.get("SCREENSHOTS")
    pipeline = recipe(served) if folder else request.getfixturevalue("finished")
    made = screenshots.take(watched, pipeline, Path(folder or tmp_path))
    assert sorted(path.name for path in made) == sorted(screenshots.NAMES)
    assert all(path.stat().st_size <= screenshots.most_bytes(path.name) for path in made)
    assert sum(path.stat().st_size for path in made) <= screenshots.MOST_BYTES_TOGETHER
    for light in (path for path in made if "-light" in path.name):
        assert brightness(light.with_name(light.name.replace("-light", "-dark"))) < 100 < brightness(light)


def brightness(path):
    with Image.open(path) as opened:
        return ImageStat.Stat(opened.convert("L")).mean[0]


def test_the_form_and_the_place_survive_a_reload_and_the_back_button(watched):
    page = watched().page
    key = page.evaluate(inside("shared/storage.js", "it.ofProject('recipe')"))
    kept = page.evaluate("(key) => localStorage.getItem(key)", key)
    page.get_by_label("Shots per class").first.fill("7")
    page.get_by_label("Shots per class").first.blur()
    page.wait_for_function("([key, before]) => localStorage.getItem(key) !== before", arg=[key, kept])
    go(page, "Runs")
    page.wait_for_url(lambda address: "tab=runs" in address)
    page.reload()
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]:has-text('Runs')")
    page.go_back()
    page.wait_for_selector("#ss-tabs button[role=tab][aria-selected=true]:has-text('Start')")
    page.wait_for_function(
        "() => [...document.querySelectorAll('input[type=number]')].some((one) => one.value === '7')"
    )


def test_every_form_survives_a_reload_that_comes_before_its_tab_is_seen_again(watched):
    boxes = {
        "Start": "#ss-seed input",
        "Adapt": "#ss-adapt-lora-batch-size input[type=number]",
        "Sample": "#ss-sample-text-images-per-class input[type=number]",
        "Distil": "#ss-distil-per-class input[type=number]",
    }
    page = watched().page
    for tab, box in boxes.items():
        seen(page, tab)
        field = page.locator(box).first
        write(field, "9")
        field.press("Tab")
    page.goto(page.url.split("?")[0] + "?tab=runs")
    ready(page)
    for tab, box in boxes.items():
        seen(page, tab)
        page.wait_for_function("box => document.querySelector(box)?.value === '9'", arg=box)


def seen(page, tab):
    """A tab, with the fold of Start opened that hides some of its form."""
    go(page, tab)
    if tab == "Start":
        page.get_by_role("button", name="More").first.click()


def test_everything_is_reached_by_the_keyboard_and_has_a_name(watched, finished):
    page = watched(f"/?run={finished}").page
    for name, drawn in DRAWN.items():
        go(page, name)
        page.wait_for_selector(drawn)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, textarea, [tabindex="0"]')].filter((one) =>
              one.offsetParent && one.type !== 'file' && !one.textContent.trim() && !one.labels?.length &&
              !one.closest('label') && !one.getAttribute('aria-label') && !one.getAttribute('aria-labelledby') &&
              !one.title && !one.placeholder).map((one) => one.outerHTML.slice(0, 200))"""
        )
        assert nameless == [], name
