"""The loop of a newcomer, in a browser: run, watch, reload, stop, resume, read the answer, export."""

import time
import zipfile

from tests.ui.pictures import hostile_zip

_TAB = "#ss-tabs button[role=tab]"
_SETTINGS = """
adapter.training_steps=40
adapter.warmup_steps=4
sample.images_per_class=3
sample.inference_steps=6
keep.minimum_per_class=2
real_only.training_steps=20
synthetic_only.training_steps=20
real_and_synthetic.training_steps=20
""".strip()


def wait_for_state(page, *states, seconds=900):
    """Wait for the panel to show one of these states."""
    choices = ", ".join(f"studio-live[data-state={state}]" for state in states)
    page.wait_for_selector(choices, timeout=1000 * seconds)
    return page.locator("studio-live").get_attribute("data-state")


def go(page, name):
    """Open a tab by its name."""
    page.get_by_role("tab", name=name, exact=True).first.click()


def test_the_quick_recipe_on_digits_from_the_first_screen_to_the_export(watched, served, tmp_path):
    shown = watched()
    page = shown.page
    page.wait_for_selector("#ss-plan >> text=What it will do")
    page.click("#ss-digits")
    page.wait_for_timeout(2000)  # its answer sets every field, also the one typed into next
    page.get_by_role("button", name="More").first.click()
    page.get_by_label("Settings").fill(_SETTINGS)
    page.wait_for_selector("#ss-plan >> text=40 training steps")
    page.dblclick("#ss-run")
    wait_for_state(page, "running")
    pipeline = page.locator("studio-live").get_attribute("data-pipeline")

    page.reload()
    assert wait_for_state(page, "running", "done") in ("running", "done")
    assert page.locator("studio-live").get_attribute("data-pipeline") == pipeline

    page.wait_for_selector("li[data-state=running]")
    page.locator("studio-live").get_by_role("button", name="Stop").click()
    wait_for_state(page, "stopped")
    page.locator("studio-live").get_by_role("button", name="Resume").click()
    assert "% ·" in page.wait_for_function("() => document.title.includes('%') && document.title").json_value()
    wait_for_state(page, "done")

    assert page.locator(".ss-answer .ss-arm").count() == 4
    assert "accuracy" in page.locator(".ss-sentence").first.inner_text()
    assert "n = " in page.locator(".ss-answer").inner_text()

    go(page, "Evaluate")
    page.wait_for_selector("studio-evaluate .ss-confusion")
    assert page.locator("studio-evaluate tbody").first.locator("tr").count() == 4

    go(page, "Export")
    page.click("#ss-export-go")
    page.wait_for_selector("[data-export='export.image_folder'][data-state=done] a")
    with page.expect_download() as download:
        page.click("[data-export='export.image_folder'] a")
    download.value.save_as(tmp_path / "dataset.zip")
    with zipfile.ZipFile(tmp_path / "dataset.zip") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert any(name.endswith("train/metadata.parquet") for name in names)

    go(page, "Runs")
    page.wait_for_selector("studio-runs tr[data-run]")
    assert page.locator("studio-runs tr[data-run]").count() >= 11
    shown.check()


def test_a_hostile_zip_becomes_a_table_before_anything_is_kept(watched, tmp_path):
    shown = watched("/?tab=data")
    page = shown.page
    archive = tmp_path / "photos.zip"
    archive.write_bytes(hostile_zip())
    page.set_input_files("#ss-files", archive)
    page.wait_for_selector("#ss-dryrun")
    text = page.locator("#ss-dryrun").inner_text()
    assert "Nothing is kept yet" in text
    assert "<img src=x onerror=alert(1)>" in text
    assert "cats/page.png" in text
    assert page.locator("#ss-dryrun img[onerror]").count() == 0
    page.click("#ss-import")
    page.wait_for_selector("studio-data .ss-state[data-state=done]")
    shown.check()


def test_the_form_and_the_place_survive_a_reload_and_the_back_button(watched):
    page = watched().page
    page.get_by_label("Shots per class").first.fill("7")
    page.get_by_label("Shots per class").first.blur()
    page.wait_for_timeout(1500)
    go(page, "Runs")
    page.wait_for_timeout(300)
    page.reload()
    page.wait_for_selector(f"{_TAB}[aria-selected=true]:has-text('Runs')")
    page.go_back()
    page.wait_for_selector(f"{_TAB}[aria-selected=true]:has-text('Start')")
    page.wait_for_function(
        "() => [...document.querySelectorAll('input[type=number]')].some((one) => one.value === '7')"
    )


def test_nothing_is_wider_than_a_phone(watched):
    page = watched(width=390).page
    for name in ("start", "data", "evaluate", "runs", "export"):
        page.goto(page.url.partition("?")[0] + f"?tab={name}")
        page.wait_for_selector(_TAB, state="attached")
        page.wait_for_timeout(1500)
        width = page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 391, f"{name} is {width} pixels wide"


def test_the_tab_comes_back_by_itself_after_the_page_process_was_killed(watched, served):
    page = watched().page
    page.evaluate("() => { window.stillThere = true; }")
    served.kill()
    page.wait_for_selector("html.ss-offline", state="attached")
    served.start()
    page.wait_for_selector("html:not(.ss-offline)", state="attached")
    assert page.evaluate("() => window.stillThere") is True


def test_a_program_can_run_a_recipe_and_fetch_the_result(served):
    from gradio_client import Client

    client = Client(served.url, verbose=False)
    assert set(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == {"/run_recipe", "/result"}
    started = time.monotonic()
    pipeline = client.predict(recipe="prompts-only", data="digits", shots=1, preset="quick", api_name="/run_recipe")
    found = client.predict(pipeline=pipeline, api_name="/result")
    assert found["state"] == "running"
    assert time.monotonic() - started < 60
    urlopen_post(served.url + f"/studio/pipelines/{pipeline}/stop")


def urlopen_post(url):
    """Ask as the page's own buttons do."""
    import urllib.request

    request = urllib.request.Request(url, data=b"{}", headers={"content-type": "application/json"}, method="POST")
    urllib.request.urlopen(request, timeout=30).close()


def test_pictures_of_every_tab_light_and_dark_wide_and_narrow(watched, tmp_path_factory):
    folder = tmp_path_factory.mktemp("screenshots")
    for scheme, width in (("light", 1360), ("dark", 1360), ("light", 390), ("dark", 390)):
        shown = watched(width=width, scheme=scheme)
        page = shown.page
        for name in ("Start", "Data", "Adapt", "Sample", "Evaluate", "Runs", "Export"):
            go(page, name)
            page.wait_for_timeout(1500)
            page.screenshot(path=folder / f"{name.lower()}-{scheme}-{width}.png", full_page=True)
        shown.check()
    assert len(list(folder.iterdir())) == 28
