"""A program runs a recipe and fetches its result, as the README says; what it made stands beside the others."""

import re
from pathlib import Path

from gradio_client import Client

from tests.browser.conftest import SMALL

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
SNIPPET = re.search(r"^    from gradio_client.*?(?=^\S)", README, re.MULTILINE | re.DOTALL).group()


def test_only_what_is_documented_is_offered(served):
    client = Client(served.url, verbose=False)
    offered = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(offered) == {"/run_recipe", "/review_helped", "/train", "/result"}
    client.close()


def test_a_recipe_asked_for_by_a_program_gives_the_numbers_and_is_compared_by_what_differs(served, finished, watched):
    client = Client(served.url, verbose=False)
    asked = {"recipe": "datadream", "data": "digits", "shots": 16, "settings": f"{SMALL}\nreal_only.training_steps=10"}
    pipeline = client.predict(**asked, api_name="/run_recipe")
    assert client.predict(**asked, api_name="/run_recipe") == pipeline

    def ended():
        found = client.predict(pipeline=pipeline, api_name="/result")
        assert found["state"] in ("running", "done"), found["error"]
        return found["result"] if found["state"] == "done" else None

    result = served.until(ended, 300)
    client.close()
    assert [arm["arm"] for arm in result["arms"]] == ["zero_shot", "real_only", "synthetic_only", "real_and_synthetic"]
    assert result["n"] > 500
    page = watched("/?tab=evaluate").page
    table = page.locator("[data-part=compared]")
    table.locator("tbody tr >> nth=1").wait_for()
    assert "settings" in table.locator("thead").inner_text()
    assert "shots" not in table.locator("thead").inner_text()
    table.locator("tbody tr >> nth=1").click()
    page.wait_for_function("() => new URLSearchParams(location.search).has('report')")


def test_the_lines_of_the_readme_start_a_recipe(served, finished):
    code = "\n".join(line.strip() for line in SNIPPET.replace("http://127.0.0.1:7860", served.url).splitlines())
    names: dict[str, object] = {}
    exec(code, names)
    try:
        assert names["found"]["state"] == "running"
    finally:
        served.post(f"/pipelines/{names['pipeline']}/stop")
        names["client"].close()


def test_a_request_that_cannot_be_is_refused_in_words(served):
    client = Client(served.url, verbose=False)
    try:
        client.predict(recipe="datadraem", api_name="/run_recipe")
    except Exception as error:
        assert "datadream" in str(error)
    else:
        raise AssertionError("nothing was refused")
    finally:
        client.close()
