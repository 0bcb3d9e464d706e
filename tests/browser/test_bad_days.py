"""Reviewing while the page process dies, and while the disk is full."""

import random

import pytest

from tests.benchmarks import kill_review

DIGITS = 1797


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviewed") / "home"
    kill_review.fill(folder)
    return folder


def test_two_kills_while_reviewing_lose_nothing_double_nothing_and_the_tab_comes_back(chromium, home):
    page = kill_review.PageProcess(home)
    page.start()
    tab = chromium.new_page()
    try:
        found = kill_review.rounds(page, tab, kills=2, presses=12, dice=random.Random(1))
    finally:
        tab.close()
        page.kill()
    assert found["decisions"] == 24


def test_a_tile_says_that_the_disk_is_full_and_is_saved_when_there_is_room(chromium, home):
    page = kill_review.PageProcess(home)
    page.start()
    tab = chromium.new_page()
    tab.set_default_timeout(kill_review.PATIENCE)
    body = '{"error": "The disk is full or cannot be written, so this was not saved. Free some space."}'
    try:
        before = page.decisions()
        kill_review.open_grid(page, tab)
        answer = {"status": 507, "content_type": "application/json", "body": body}
        tab.route("**/review/decide", lambda route: route.fulfill(**answer))
        tab.keyboard.press("End")
        tab.wait_for_selector(f"#ss-tile-{DIGITS - 1} img[src]")  # a tile that is not known yet takes no key
        tab.keyboard.press("x")
        tab.wait_for_selector(".ss-saved[data-kind=bad]")
        assert "disk is full" in tab.locator(".ss-saved").inner_text() + tab.locator(
            ".ss-tile.problem"
        ).first.get_attribute("title")
        assert tab.locator(".ss-tile.problem").count() == 1
        assert page.decisions() == before
        tab.unroute("**/review/decide")
        tab.wait_for_selector(".ss-saved[data-kind=good]")
        assert len(page.decisions()) == len(before) + 1
    finally:
        tab.close()
        page.kill()
