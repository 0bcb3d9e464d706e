"""For who sees little, or only hears the page: axe-core finds nothing serious in any tab, in both themes."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.browser.conftest import ready
from tests.browser.screenshots import DRAWN
from tests.browser.test_a_newcomer import go

_AXE = "() => axe.run(document, { resultTypes: ['violations'] })"
# The contrast of a text with what lies behind it, by the formula of WCAG 2.2; axe passes over what it is unsure of.
_CONTRAST = """(selector) => {
  const box = document.querySelector(selector);
  const rgb = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = (text) => rgb(text).slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, place) => sum + v * [0.2126, 0.7152, 0.0722][place], 0);
  let ground = box;
  while (ground && (rgb(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
  const [a, b] = [getComputedStyle(box).color, getComputedStyle(ground || document.body).backgroundColor].map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


# A colour does not depend on the width, nor a name on the colour: both of each, in two looks and not in four.
@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_nothing_serious_in_any_tab(watched, finished, scheme, width):
    page = watched(f"/?run={finished}", width=width, scheme=scheme).page
    page.evaluate(AXE_SCRIPT)
    for name, drawn in DRAWN.items():
        go(page, name)
        page.wait_for_selector(drawn)
        found = page.evaluate(_AXE)["violations"]
        serious = [
            (one["id"], [node["target"] for node in one["nodes"]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], name
        for selector in ("#ss-tabs button[role=tab][aria-selected=true]", "#ss-run", "#ss-adapt-go"):
            if page.locator(selector).first.is_visible():
                assert page.evaluate(_CONTRAST, selector) >= 4.5, (name, selector)
    assert page.locator("h1").count() == 1


def becomes(page, dark):
    """Wait for the page to be dark, or light; a browser tells a page a moment later what the system wants."""
    page.wait_for_function("dark => document.body.classList.contains('dark') === dark", arg=dark)


def test_the_chosen_theme_wins_over_the_system_and_survives_a_reload(watched):
    page = watched(scheme="light").page
    becomes(page, dark=False)
    page.get_by_label("Theme").select_option("dark")
    becomes(page, dark=True)
    page.reload()
    ready(page)
    becomes(page, dark=True)
    assert page.get_by_label("Theme").input_value() == "dark"
    page.emulate_media(color_scheme="dark")
    page.get_by_label("Theme").select_option("light")
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")  # gradio follows the system; what was chosen stays
    page.wait_for_function("() => matchMedia('(prefers-color-scheme: dark)').matches")
    becomes(page, dark=False)
    page.get_by_label("Theme").select_option("system")
    becomes(page, dark=True)
    page.emulate_media(color_scheme="light")
    becomes(page, dark=False)


def test_an_address_may_ask_for_a_theme_until_another_is_chosen(watched):
    page = watched("/?__theme=dark", scheme="light").page
    becomes(page, dark=True)
    page.get_by_label("Theme").select_option("light")
    becomes(page, dark=False)
    assert "__theme" not in page.url
