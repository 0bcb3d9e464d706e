"""Attacks on every route there is. The routes are read off the running application: a new one is attacked by itself."""

import base64
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.ui.attacked import FILES
from tests.ui.attacking import BASIC, CANARY, PASSWORD, ROOT, Attacked


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    opened = Attacked(tmp_path_factory.mktemp("open") / "home")
    yield opened
    opened.stop()


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    opened = Attacked(tmp_path_factory.mktemp("locked") / "home", PASSWORD)
    yield opened
    opened.stop()


def names(target):
    """One file outside, spelled in every way that has ever worked somewhere."""
    up, plain = "../" * 12, str(target).lstrip("/")
    return [
        f"{up}{plain}", f"/{plain}", f"//{plain}", quote(f"{up}{plain}", safe=""), quote(f"/{plain}", safe=""),
        f"{up}{plain}".replace("../", "%2e%2e/"), f"{up}{plain}".replace("../", "%252e%252e%252f"),
        f"{up}{plain}".replace("../", "..%5c"), f"{up}{plain}".replace("../", "....//"), f"/{plain}%00.png",
        f"file:%2f%2f/{plain}", f"C:%5c{plain}", "inside.txt", "..%2f..%2finside.txt", "f" * 64, "..",
    ]  # fmt: skip


def addresses(path, name):
    """A route's address with the attack in all of its places, in its last place, and in its question."""
    places = re.findall(r"{[^}]*}", path)
    ask = "?" + "&".join(f"{key}={name}" for key in ("name", "q", "path", "file", "session_hash", "pipeline"))
    if not places:
        return [path + ask]
    every, last = path, path
    for place in places:
        every = every.replace(place, name)
        last = last.replace(place, name if place == places[-1] else "r1")
    return [every, last, re.sub(r"{[^}]*}", "r1", path) + ask]


def test_no_route_gives_a_file_that_it_was_not_made_for(page):
    attacks = [*names(page.home.parent / "canary.txt"), *names(Path("/etc/passwd"))[:4]]
    asked = 0
    assert len(page.routes) > 60
    for path, method in page.routes:
        for name in attacks if method != "HEAD" else ():
            for address in dict.fromkeys(addresses(path, name)):
                status, body = page.ask(method, address)
                assert status < 500, (method, address, status)
                assert CANARY.encode() not in body, (method, address)
                assert b"root:" not in body, (method, address)
                asked += 1
    assert asked > 2000


def test_a_path_in_place_of_an_uploaded_file_is_not_read(page):
    file = {"path": str(page.home / "inside.txt"), "meta": {"_type": "gradio.FileData"}}
    for path, method in page.routes:
        if method == "POST" and path.startswith("/gradio_api/"):
            for number in (0, 5, 20):
                body = json.dumps({"data": [file] * 7, "fn_index": number, "session_hash": "x"}).encode()
                address = re.sub(r"{[^}]*}", "run_recipe", path)
                status, answer = page.ask("POST", address, body, **{"content-type": "application/json"})
                assert status != 200 or CANARY.encode() not in answer
    assert not [one for one in (page.home / "tmp").rglob("*") if one.is_file() and CANARY in one.read_text("latin1")]


def test_a_project_in_an_address_reaches_no_file_and_makes_no_folder(page):
    before = sorted(path.name for path in page.home.rglob("*"))
    for name in [*names(page.home.parent / "canary.txt"), "@default", "default%2f..", "%00", "x" * 5000]:
        for path in (f"/?project={name}", f"/studio/@{name}/state", f"/gradio_api/run/result?project={name}"):
            status, body = page.ask("POST" if "gradio" in path else "GET", path, b"{}")
            assert status in (400, 404), path
            assert CANARY.encode() not in body
    assert sorted(path.name for path in page.home.rglob("*")) == before
    assert page.ask("GET", "/studio/@default/state")[0] == 200


def test_a_project_in_the_path_is_no_way_around_the_door(page):
    large = bytes(150_000)
    assert page.ask("POST", "/studio/@default/review/decide", large)[0] == 413
    assert page.ask("POST", "/studio/@default/uploads/new", b"{}", origin="https://evil.example")[0] == 403
    assert page.ask("GET", "/studio/@default/@default/state")[0] == 404
    assert page.ask("GET", "/studio/@default//state")[0] == 404


def test_nothing_that_the_page_does_not_use_is_reached(page):
    for path in ("/gradio_api/upload", "/gradio_api/upload_progress", "/gradio_api/file/etc/passwd", "/openapi.json",
                 "/gradio_api/proxy=http://127.0.0.1/", "/gradio_api/process_recording", "/gradio_api/component_server",
                 "/gradio_api/vibe-edit", "/gradio_api/undo-vibe-edit", "/monitoring", "/gradio_api/deep_link",
                 "/gradio_api/dev/reload", "/gradio_api/a-route-of-a-later-version"):  # fmt: skip
        assert page.ask("GET", path)[0] == page.ask("POST", path)[0] == 404, path


def test_another_site_can_change_nothing_on_any_route(page):
    for path, method in page.routes:
        address = re.sub(r"{[^}]*}", "r1", path)
        for origin in ("https://evil.example", "null", "http://127.0.0.1:1", f"http://{page.host}.evil.example"):
            assert page.ask(method, address, origin=origin)[0] == 403, (method, address, origin)
        if method not in ("GET", "HEAD"):
            assert page.ask(method, address, **{"sec-fetch-site": "cross-site"})[0] == 403, (method, address)


def test_another_name_for_this_machine_is_refused(page):
    name, port = page.host.split(":")
    for host in ("evil.example", f"evil.example:{port}", f"{name}.evil.example"):
        with socket.create_connection((name, int(port)), timeout=20) as line:
            line.sendall(f"GET /studio/state HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert line.recv(100).startswith(b"HTTP/1.1 400")


def test_bodies_that_are_too_large_are_refused_on_every_route(page):
    for path, method in page.routes:
        if method == "POST":
            address = re.sub(r"{[^}]*}", "r1", path)
            # Announced, not sent: the answer must not wait for it.
            status, _ = page.ask(method, address, **{"content-length": "400000", "content-type": "application/json"})
            assert status in (413, 404), (address, status)


@pytest.mark.parametrize("route", ["/studio/review/decide", "/studio/uploads/{token}/files?name=a.png", "/login",
                                   "/gradio_api/queue/join", "/gradio_api/run/run_recipe"])  # fmt: skip
def test_bodies_without_an_end_are_cut_off(page, route):
    address = route.replace("{token}", page.token())
    kind = "application/x-www-form-urlencoded" if route == "/login" else "application/json"
    status, sent = page.pour(address, (b"x" * 20_000 for _ in range(10_000)), **{"content-type": kind})
    assert status in (413, 0), status
    assert sent < 30_000_000  # what the buffers of two sockets hold, not what we were ready to send
    assert page.ask("GET", "/studio/state")[0] == 200
    assert [one for one in (page.home / "tmp").rglob("*") if one.suffix in (".part", ".png")] == []


def test_a_body_that_nobody_reads_ends_with_the_answer(page):
    for route in ("/login", "/studio/review/decide", "/monitoring", "/studio/state"):
        status, sent = page.pour(route, (b"x" * 20_000 for _ in range(10_000)), **{"content-type": "text/plain"})
        assert status in (0, 404, 405, 413, 415, 422), (route, status)
        assert sent < 30_000_000, route


@pytest.mark.parametrize("route", ["/studio/review/decide", "/studio/uploads/{token}/files?name=a.png", "/login"])
def test_bodies_that_stop_coming_are_cut_off(page, route):
    address = route.replace("{token}", page.token())
    kind = "application/x-www-form-urlencoded" if route == "/login" else "application/json"
    assert page.pour(address, [b'{"a":'], **{"content-type": kind})[0] == 408
    assert [one for one in (page.home / "tmp").rglob("*") if one.suffix in (".part", ".png")] == []


@pytest.mark.parametrize("name", names(Path("/tmp/evil.png")))  # noqa: S108
def test_an_upload_stays_in_its_own_folder(page, name):
    before = {one for one in page.home.parent.rglob("*") if one.name != "events.jsonl"}
    token = page.token()
    page.ask("POST", f"/studio/uploads/{token}/files?name={name}", b"data")
    new = {one for one in page.home.parent.rglob("*") if one.name != "events.jsonl"} - before
    inside = page.home / "tmp" / "uploads" / token
    assert all(one.is_relative_to(inside) or one == inside.parent for one in new if "catalog" not in one.name)
    assert not Path("/tmp/evil.png").exists()  # noqa: S108


def connected(page, sent=b""):
    name, port = page.host.split(":")
    line = socket.create_connection((name, int(port)), timeout=20)
    line.sendall(sent)
    return line


def ended(line):
    """Wait until the page has ended a line."""
    with contextlib.suppress(ConnectionResetError):
        while line.recv(1000):
            pass


def test_lines_that_say_nothing_or_drip_do_not_keep_others_out(page):
    begun = page.log.stat().st_size
    with contextlib.ExitStack() as lines:
        for number in range(2 * FILES):
            # A line that was closed for a newer one may be gone before its first words are.
            with contextlib.suppress(ConnectionError):
                lines.enter_context(connected(page, b"GET / HTTP/1.1\r\nx-slow:" if number % 2 else b""))
        assert page.ask("GET", "/studio/state")[0] == 200
        assert page.ask("GET", "/config")[0] == 200
    assert page.log.stat().st_size - begun < 50_000


def test_a_head_that_never_ends_is_cut_off_and_a_stream_lives_on(page):
    asked = f"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nhost: {page.host}\r\n\r\n".encode()
    with connected(page, asked) as stream, connected(page) as silent, connected(page, b"GET / HTTP/1.1\r\n") as slow:
        assert b"event-stream" in stream.recv(4000)
        ended(silent)
        ended(slow)
        stream.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            assert stream.recv(4000) != b""


def test_where_every_line_is_in_use_a_sentence_says_so(page):
    asked = f"GET /gradio_api/heartbeat/abc HTTP/1.1\r\nhost: {page.host}\r\n\r\n".encode()
    with contextlib.ExitStack() as lines:
        for _ in range(FILES // 4):
            assert lines.enter_context(connected(page, asked)).recv(4000)
        with connected(page) as line:
            said = line.recv(1000)
        assert said.startswith(b"HTTP/1.1 503")
        assert said.endswith(b"Try again in a minute.")
    assert page.ask("GET", "/studio/state")[0] == 200


def test_numbers_and_nests_that_no_route_can_take_are_refused_in_words(page):
    for path, method in page.routes:
        if not path.startswith("/studio/") or method not in ("GET", "POST"):
            continue
        for number in ("9" * 30, "-" + "9" * 30, "nan", "1e999"):
            address = re.sub(r"{[^}]*}", number, path) + f"?since={number}&start={number}&count={number}&limit={number}"
            status, body = page.ask(method, f"{address}&q={{}}", b'{"a":' + b"[" * 30_000 if method == "POST" else b"",
                                    **{"content-type": "application/json"})  # fmt: skip
            assert status < 500, (method, address, body)


@pytest.mark.parametrize("body", ['{"label":NaN}', '{"x":"\\ud800"}', '{"data":NaN}', "[1e999]"])
def test_what_no_public_endpoint_takes_is_refused_without_a_traceback(page, body):
    before = page.log.read_text().count("Traceback")
    for way in ("call", "run"):
        status, _ = page.ask("POST", f"/gradio_api/{way}/run_recipe", body.encode(),
                             **{"content-type": "application/json"})  # fmt: skip
        assert status == 422, (way, status)
    assert page.log.read_text().count("Traceback") == before


@pytest.mark.parametrize(("name", "count"), [("run_recipe", 9), ("review_helped", 2), ("train", 8), ("result", 2)])
@pytest.mark.parametrize("given", [1, [], {"a": 1}, None, True])
def test_arguments_of_another_type_are_refused_in_words(page, name, count, given):
    before = page.log.read_text().count("Traceback")
    asked = page.ask("POST", f"/gradio_api/call/{name}", json.dumps({"data": [given] * count}).encode(),
                     **{"content-type": "application/json"})  # fmt: skip
    event = json.loads(asked[1])["event_id"]
    with urllib.request.urlopen(f"http://{page.host}/gradio_api/call/{name}/{event}", timeout=20) as stream:
        said = stream.read()
    assert b"event: error" in said
    assert b"must be" in said, said
    assert page.log.read_text().count("Traceback") == before


@pytest.mark.parametrize("query", ['{"low":NaN}', '{"high":Infinity,"scorer":"x"}', '{"low":1e999}', '{"low":1e300}',
                                   '{"as_of":99999999999999999999}', "[" * 5000, '{"run":"\\ud800"}'])  # fmt: skip
def test_a_filter_that_no_image_can_pass_is_refused_in_words(page, query):
    body = f'{{"project":"default","query":{query}}}'
    for method, path, sent in (("GET", f"/studio/review/view?q={quote(query)}", b""),
                               ("GET", f"/studio/review/tally?q={quote(query)}", b""),
                               ("POST", "/studio/review/freeze", body.encode())):  # fmt: skip
        status, said = page.ask(method, path, sent, **{"content-type": "application/json"})
        assert status == 422, (path, status, said)
        assert isinstance(json.loads(said)["detail"], str)


def test_half_a_character_in_a_text_is_refused_in_words(page):
    for path, sent in (
        ("/studio/uploads/{token}/check", {"label": "\ud800"}),
        ("/studio/uploads/{token}/confirm", {"title": "\ud800"}),
        ("/studio/exports", {"pipeline": "\ud800", "name": "\ud800"}), ("/studio/distil/shrink", {"images": "\ud800"}),
        ("/studio/review/target", {"project": "default", "label": "\ud800", "wanted": 1}),
    ):  # fmt: skip
        status, said = page.ask("POST", path.replace("{token}", page.token()), json.dumps(sent).encode(),
                                **{"content-type": "application/json"})  # fmt: skip
        assert status == 422, (path, status, said)


def test_without_the_password_no_route_says_anything(locked):
    for path, method in locked.routes:
        address = re.sub(r"{[^}]*}", "r1", path)
        for headers in ({}, {"authorization": "Bearer x"}, {"cookie": "session=x; access-token=x"}):
            status, body = locked.ask(method, address, **headers)
            expected = (200, 405) if path.startswith("/gradio_api/startup-events") else (401, 404)
            assert status in expected, (method, address, status)
            assert len(body) < 200, (method, address)
    assert locked.ask("GET", "/studio/state", **BASIC)[0] == 200


def test_who_says_to_come_from_elsewhere_has_no_more_guesses(locked):
    wrong = {"authorization": "Basic " + base64.b64encode(b"studio:wrong").decode()}
    codes = [locked.ask("GET", "/studio/state", **wrong, **{"x-forwarded-for": f"203.0.113.{number}"})[0]
             for number in range(30)]  # fmt: skip
    assert codes[-1] == 429
    assert locked.ask("GET", "/studio/state", **BASIC)[0] == 200


def test_pages_configuration_and_logs_hold_no_secret_and_no_path(locked):
    locked.ask("GET", "/", authorization="Basic " + base64.b64encode(b"studio:a wrong one").decode())
    shown = b"".join(
        locked.ask("GET", path, **BASIC)[1] for path in ("/", "/config", "/gradio_api/info", "/studio/state")
    )
    for secret in (PASSWORD, BASIC["authorization"].partition(" ")[2], str(locked.home)):
        assert secret.encode() not in shown
    log = locked.log.read_text()
    assert PASSWORD not in log
    assert "a wrong one" not in log


def test_an_error_inside_says_nothing_of_the_inside(page):
    status, body = page.ask("POST", "/gradio_api/run/run_recipe", b'{"data": [{"a": [1]}, 2, {}, [], null]}',
                            **{"content-type": "application/json"})  # fmt: skip
    assert status >= 400
    assert b"Traceback" not in body
    assert str(ROOT).encode() not in body


def test_the_page_listens_on_this_machine_only(page):
    import psutil

    listening = [one.laddr.ip for one in psutil.Process(page.process.pid).net_connections() if one.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}


def test_beyond_this_machine_it_does_not_listen_without_a_password(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "SYNTHSTUDIO_PASSWORD"}
    done = subprocess.run([sys.executable, "app.py", "--home", str(tmp_path / "home"), "--host", "0.0.0.0"],  # noqa: S104
                          cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 2
    assert "SYNTHSTUDIO_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr
