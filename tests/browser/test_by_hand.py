"""By hand in a browser: a set is filtered, a classifier is trained from a frozen selection, and Evaluate shows it."""

import re

from tests.browser.conftest import write
from tests.browser.test_a_newcomer import go
from tests.browser.test_tabs import number, runs_of


def frozen(served, name):
    """A selection of every synthetic image there is, under a name."""
    query = '{"origins": ["synthetic"]}'
    view = served.get("/review/view", q=query)
    asked = {"project": "default", "query": view["query"], "name": name}
    made = served.post("/review/freeze", **asked)
    served.until(lambda: name in [one["name"] for one in served.get("/review/selections")["selections"]])
    return made


def choose(page, field, words):
    """Choose from a list of gradio's by the words of an option."""
    page.locator(f"#{field} input").first.click()
    page.locator(f"#{field} [role=option], ul[role=listbox] [role=option]").filter(has_text=words).first.click()


def test_a_classifier_is_trained_by_hand_from_a_frozen_selection_and_stands_in_evaluate(watched, served, finished):
    made = frozen(served, "everything made")
    page = watched("/?tab=train").page
    page.wait_for_selector("#ss-train-plan >> text=160")
    choose(page, "ss-train-synthetic", "everything made")
    page.locator("#ss-train-more button.label-wrap").click()
    number(page, "train-training-steps", 12)
    number(page, "train-warmup-steps", 2)
    page.wait_for_selector(f"#ss-train-plan >> text={made['size']}")
    before = len(runs_of(served, "train.classifier"))
    page.dblclick("#ss-train-go")
    panel = page.locator("studio-training")
    page.wait_for_selector("studio-training[data-state=running]")
    page.wait_for_selector("studio-training[data-state=done]", timeout=300_000)
    assert len(runs_of(served, "train.classifier")) == before + 2
    assert "This classifier names" in panel.inner_text() and "its baseline" in panel.inner_text()
    panel.get_by_role("button", name="Look closer at the numbers").click()
    shown = page.locator("studio-evaluate")
    shown.get_by_text("This classifier names").wait_for()
    rows = shown.locator(".ss-card").filter(has_text="The numbers").locator("tbody tr")
    named = rows.locator("td:first-child").all_inner_texts()
    assert len(named) >= 5 and len(set(named)) == len(named)  # the two new ones beside those of the recipe
    assert "by hand" in shown.locator("select").first.locator("option").first.inner_text()
    compared(page, made)


def compared(page, made):
    """In Export a frozen set is compared with now, and there is nothing to restore."""
    go(page, "Export")
    page.wait_for_selector(f"#ss-frozen-before option[value='{made['image_set']}']", state="attached")
    page.select_option("#ss-frozen-before", made["image_set"])
    page.click("#ss-frozen-go")
    page.get_by_text(f"From everything made ({made['size']} images) to now").wait_for()
    page.click("#ss-frozen-restore")
    page.get_by_text("Nothing to restore").wait_for()


def test_a_set_is_filtered_by_hand_with_what_falls_out_in_sight(watched, served, finished):
    page = watched("/?tab=review").page
    page.locator("#ss-filter-fold > button.label-wrap").click()
    page.wait_for_selector("#ss-filter-plan >> text=0 fall out")
    choose(page, "ss-filter-images", re.compile("samples-|everything made"))  # the first test names them all
    write(page.locator("#ss-filter-label-agreement-at-least textarea, #ss-filter-label-agreement-at-least input"), "2")
    page.wait_for_selector("#ss-filter-plan >> text=0 of")
    page.locator("#ss-filter-plan .ss-histogram rect.out").first.wait_for()
    write(page.locator("#ss-filter-label-agreement-at-least textarea, #ss-filter-label-agreement-at-least input"), "x")
    page.wait_for_selector("#ss-filter-said .ss-refused >> text=must be a number")
    write(
        page.locator("#ss-filter-label-agreement-at-least textarea, #ss-filter-label-agreement-at-least input"), "0.01"
    )
    page.wait_for_selector("#ss-filter-plan >> text=≥ 0.01")
    before = len(runs_of(served, "select.filter"))
    page.click("#ss-filter-go")
    served.until(lambda: len(runs_of(served, "select.filter")) == before + 1)
    page.wait_for_selector("studio-latest[kind='select.filter'][data-state=done]")
    page.locator("studio-latest[kind='select.filter']").get_by_role("button", name="Train on these").click()
    page.wait_for_selector("#ss-train-plan >> text=Synthetic")
    go(page, "Train")
    assert not page.locator("#ss-train-synthetic input").first.input_value().startswith("None")
