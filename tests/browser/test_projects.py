"""Two people, or two tabs, in two projects of one page; and what happens is in every open page without a reload."""

import httpx
import pytest

from tests.browser.conftest import SMALL, Served, Watched, ready
from tests.browser.modules import inside, wait_inside
from tests.browser.test_a_newcomer import go
from tests.ui.pictures import png

_SETTINGS = f"{SMALL}\nsplit.test_fraction=0.3"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A page of this module's own: it is ended and started again, and opens other projects than the first."""
    page = Served(tmp_path_factory.mktemp("projects") / "home")
    page.start()
    yield page
    page.stop()


@pytest.fixture
def browser(chromium, own):
    """Open a browser of somebody's own at an address; afterwards none of the pages has complained."""
    contexts, opened = [], []

    def open_page(path="/", until=ready):
        context = chromium.new_context(viewport={"width": 1360, "height": 900})
        context.set_default_timeout(60_000)
        contexts.append(context)
        found = Watched(context.new_page(), own.url)
        found.may_lose_server = True
        opened.append(found)
        found.page.goto(own.url + path)
        until(found.page)
        return found.page

    yield open_page
    for context in contexts:
        context.close()
    for one in opened:
        one.check()


def called(page):
    return page.locator("#ss-project-name").inner_text()


def offered(page, field):
    """What a dropdown offers, read by opening it."""
    box = page.locator(f"#{field} input").first
    box.click()
    options = page.locator("ul[role=listbox] [role=option]")
    options.first.wait_for()
    found = options.all_inner_texts()
    box.press("Escape")
    box.blur()  # a box that has the keys already does not open again when it is clicked
    return [one.strip().lstrip("✓").strip() for one in found]


def bring_in(own, place):
    """Import eight photos of each of two classes, as the Data tab does; returns when they are there."""
    with httpx.Client(base_url=f"{own.url}/studio/@{place}", timeout=60) as asked:
        token = asked.post("/uploads/new", json={}).json()["token"]
        for n in range(16):
            label = "cat" if n % 2 else "dog"
            asked.post(f"/uploads/{token}/files?name={label}/{n}.png", content=png(n, side=48))
        asked.post(f"/uploads/{token}/check", json={"label": ""})
        own.until(lambda: asked.get(f"/uploads/{token}").json()["state"] == "checked")
        begun = asked.post(f"/uploads/{token}/confirm", json={"title": "Cats and dogs"}).json()
        own.until(lambda: asked.get(f"/runs/{begun['run']}").json()["state"] == "done")
    return begun["data"]


def run_recipe(own, project, data):
    from gradio_client import Client

    client = Client(own.url, verbose=False)
    pipeline = client.predict(data=data, shots=2, settings=_SETTINGS, project=project, api_name="/run_recipe")
    client.close()
    return pipeline


def test_what_happens_in_one_project_is_in_its_open_page_and_in_no_other(browser, own):
    ada, bob = browser(), browser("/?project=default")
    assert "project=default" in ada.url
    ada.click("#ss-project-name")
    name = ada.locator("#ss-project input").first
    name.fill("Ada’s cats")
    name.press("Enter")
    ada.click("#ss-project-open")
    ada.wait_for_url("**/?project=ada-s-cats-*")
    ready(ada)
    ada.get_by_role("button", name="Ada’s cats").wait_for()
    assert called(bob) == "default"
    place = ada.evaluate(inside("shared/server.js", "it.PROJECT"))
    for page in (ada, bob):
        page.evaluate("window.wasNotReloaded = true")

    data = bring_in(own, place)
    wait_inside(ada, "shared/state.js", "it.state.queued === 0")
    own.until(lambda: any("Cats and dogs" in one for one in offered(ada, "ss-data")), 30)
    assert [one.split(" (")[0] for one in offered(bob, "ss-data")] == ["Handwritten digits"]

    pipeline = run_recipe(own, "Ada’s cats", data)
    ada.wait_for_selector("studio-live [data-state=running]")
    ended = "it.state.pipeline?.id === given && it.state.pipeline.state !== 'running'"
    wait_inside(ada, "shared/state.js", ended, pipeline, timeout=600_000)
    assert ada.evaluate(inside("shared/state.js", "it.state.pipeline.state")) == "done"
    go(ada, "Adapt")
    ada.wait_for_function("document.querySelector('#ss-adapt-images input').value.includes('shot')")
    go(ada, "Sample")
    ada.wait_for_function("document.querySelector('#ss-sample-adapter input').value.includes('pico, rank')")
    assert ada.evaluate(
        "window.wasNotReloaded && document.querySelector('#ss-sample-labels').innerText.includes('cat')"
    )

    assert bob.evaluate(inside("shared/state.js", "[it.state.project, it.state.pipelines.length]")) == ["default", 0]
    go(bob, "Adapt")
    assert bob.locator("#ss-adapt-images input").first.input_value() == ""
    assert bob.evaluate("window.wasNotReloaded")


def test_a_finished_adapter_is_chosen_by_make_images_with_it(browser, own):
    page = browser("/?tab=adapt")
    go(page, "Sample")
    field = page.locator("#ss-sample-adapter input").first
    field.click()
    page.locator("ul[role=listbox] [role=option]", has_text="None: the model as it is").click()
    assert "None" in field.input_value()
    go(page, "Adapt")
    page.get_by_role("button", name="Make images with it").click()
    page.wait_for_function("document.querySelector('#ss-sample-adapter input').value.includes('pico, rank')")
    page.locator("#ss-sample-adapter").wait_for(state="visible")


def test_a_bookmark_opens_its_project_and_a_restarted_server_the_last_one(browser, own):
    places = {path.name for path in own.home.glob("projects/*") if path.is_dir()}
    (cats,) = places - {"default"}
    page = browser(f"/?project={cats}&tab=review")
    own.kill()
    own.start()
    page.wait_for_function("!document.documentElement.classList.contains('ss-offline')")
    assert called(browser()) == "Ada’s cats"
    assert called(browser("/?project=default")) == "default"
    assert called(browser("/?tab=data")) == "default"
    assert called(page) == "Ada’s cats"


def test_a_project_that_is_not_there_is_said_with_those_that_are(chromium, own):
    context = chromium.new_context()
    page = context.new_page()
    assert page.goto(own.url + "/?project=%3Cb%3Egone").status == 404
    assert "no project “<b>gone” here" in page.locator("main").inner_text()
    page.get_by_role("link", name="default").click()
    ready(page)
    assert called(page) == "default"
    context.close()
