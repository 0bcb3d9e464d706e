"""The page's own code as it is served: whole, in one version, behind one door."""

import os.path
import re

import pytest
from starlette.testclient import TestClient

from synthstudio.ui import scripts
from synthstudio.ui.api import routes
from synthstudio.ui.api.live import Live

SOURCES = {name: (scripts.PAGE / name).read_text() for name in sorted(scripts.files()) if name.endswith(".js")}
PYTHON = "\n".join(path.read_text() for path in (scripts.PAGE.parents[1] / "synthstudio" / "ui").rglob("*.py"))
_IMPORTED = re.compile(r'(?:from|import|import\() ?"(\.\.?/[^"]+)"')
_EXPORTED = re.compile(r"^export (?:const|let|async function|function|class) (\w+)|^export \{([^}]*)\}", re.M)


def exported(name):
    """What others may import from a module."""
    found = _EXPORTED.findall(SOURCES[name])
    return {one for single, several in found for one in [single, *re.split(r"[,\s]+", several)] if one}


@pytest.mark.parametrize("name", SOURCES)
def test_whatever_a_module_imports_is_served_in_the_same_version(name):
    wanted = [os.path.normpath(os.path.join(os.path.dirname(name), one)) for one in _IMPORTED.findall(SOURCES[name])]
    assert set(wanted) <= set(SOURCES)


def test_gradio_calls_only_what_the_door_offers():
    called = set(re.findall(r'scripts\.call\(\s*"(\w+)"', PYTHON))
    assert called <= exported("door.js")
    assert {"answered", "listed", "restoreForm"} <= called


def test_whatever_a_form_asks_to_be_done_the_door_does():
    asked = set(re.findall(r'\.(?:press|then)\(\w+, begin, "(\w+)"', PYTHON))
    (door,) = re.findall(r"const DONE = \{(.*?)^\};", SOURCES["door.js"], re.M | re.S)
    done = set(re.findall(r"^  (\w+): ", door, re.M))
    assert asked == done


def test_nothing_of_the_page_is_global_and_no_colour_is_in_its_scripts():
    for name, source in SOURCES.items():
        assert not re.search(r"(?:window|globalThis)\.\w+ ?=[^=]", source), name
        assert not re.search(r'"#[0-9a-fA-F]{3,8}"|rgba?\(|hsla?\(', source), name


def test_a_script_is_kept_for_ever_at_its_address_and_is_nowhere_else(session):
    client = TestClient(routes.api(session, Live(session), []))
    where = scripts.address("shared/dom.js").removeprefix("/studio")
    found = client.get(where)
    assert found.text == SOURCES["shared/dom.js"]
    assert found.headers["content-type"].startswith("text/javascript")
    assert "immutable" in found.headers["cache-control"]
    version = scripts.version()
    for other in (
        "/page/shared/dom.js",
        where.replace(version, "0" * 12),
        f"/page/{version}/nothing.js",
        f"/page/{version}/../recipes/dm.toml",
        f"/page/{version}/..%2frecipes%2fdm.toml",
        f"/page/{version}//etc/passwd",
    ):
        assert client.get(other).status_code == 404, other


def test_the_head_names_every_module_that_is_needed_at_once_and_no_inline_script():
    head = scripts.head()
    assert f'<script type="module" src="{scripts.address("main.js")}"></script>' in head
    assert head.count("<script") == 1
    for name in SOURCES:
        assert (f'"{scripts.address(name)}"' in head) == (not name.startswith("grid/")), name
