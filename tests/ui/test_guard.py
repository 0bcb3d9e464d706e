import base64

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from synthstudio.errors import BadInput
from synthstudio.ui.access.guard import Guard, Rules
from synthstudio.ui.access.peers import Failures
from synthstudio.ui.serve import rules_for


async def _read(request):
    return PlainTextResponse(f"{len(await request.body())}")


def client(**rules):
    app = Starlette(
        routes=[Route("/{rest:path}", _read, methods=["GET", "POST"])],
        middleware=[Middleware(Guard, rules=Rules(**rules))],
    )
    return TestClient(app, base_url="http://127.0.0.1:7860")


def basic(user, password):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_a_write_from_another_site_is_refused():
    assert client().post("/studio/x", headers={"origin": "https://evil.example"}).status_code == 403
    assert client().post("/studio/x", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert client().post("/studio/x", headers={"origin": "null"}).status_code == 403


def test_a_write_from_the_page_itself_is_let_through():
    assert client().post("/studio/x", headers={"origin": "http://127.0.0.1:7860"}).status_code == 200


def test_an_unknown_host_name_is_refused_so_that_dns_tricks_fail():
    assert client().get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("path", ["/gradio_api/file=/etc/passwd", "/gradio_api/proxy=http://x/", "/gradio_api/upload",
                                  "/gradio_api/file=http://169.254.169.254/", "/monitoring"])  # fmt: skip
def test_what_the_page_does_not_use_is_closed(path):
    assert client().get(path).status_code == 404


def test_large_bodies_are_refused_with_and_without_a_declared_length():
    assert client(body_bytes=100).post("/studio/x", content=b"a" * 101).status_code == 413
    chunks = (b"a" * 60 for _ in range(3))
    assert client(body_bytes=100).post("/studio/x", content=chunks).status_code == 413


def test_every_answer_forbids_sniffing_and_foreign_scripts():
    headers = client().get("/").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]


def test_with_a_password_nothing_is_answered_without_it():
    guarded = client(password="right", tries_per_minute=3)
    assert guarded.get("/studio/state").status_code == 401
    assert guarded.get("/", headers=basic("studio", "right")).status_code == 200
    codes = [guarded.get("/", headers=basic("studio", "wrong")).status_code for _ in range(4)]
    assert codes == [401, 401, 401, 429]


def test_the_right_password_is_let_in_however_often_others_were_wrong():
    guarded = client(password="right", tries_per_minute=3)
    for _ in range(40):
        guarded.get("/", headers=basic("studio", "wrong"))
    assert guarded.get("/", headers=basic("studio", "wrong")).status_code == 429
    assert guarded.get("/", headers=basic("studio", "right")).status_code == 200


def test_who_has_a_whole_network_has_no_more_tries_than_who_has_one_address():
    failures = Failures(most=3, most_of_all=1000)
    assert [failures.note(f"2001:db8::{number:x}") for number in range(4)] == [False, False, False, True]
    assert not failures.note("2001:db8:0:1::1")
    assert [failures.note("::ffff:10.0.0.1"), *(failures.note("10.0.0.1") for _ in range(3))][-1]


def test_who_has_many_networks_has_no_more_tries_than_all_together():
    failures = Failures(most=3, most_of_all=10)
    assert [failures.note(f"10.0.0.{number}") for number in range(12)].count(False) == 10


def test_guesses_from_everywhere_take_no_memory_and_do_not_free_the_one_who_goes_on():
    failures = Failures(most=3, most_of_all=10**9)
    for number in range(30_000):
        failures.note(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
        guessing = failures.note("192.0.2.1")
    assert guessing
    assert len(failures._seen) <= 10_000


@pytest.mark.parametrize("named", ["*", "proxy", "10.0.0.0/40"])
def test_a_proxy_is_believed_by_its_address_only(named):
    with pytest.raises(BadInput, match="SYNTHSTUDIO_TRUSTED_PROXIES"):
        rules_for("127.0.0.1", {"SYNTHSTUDIO_TRUSTED_PROXIES": named})
    asked = {"SYNTHSTUDIO_TRUSTED_PROXIES": "10.0.0.7, 10.1.0.0/16"}
    assert rules_for("127.0.0.1", asked).proxies == ("10.0.0.7", "10.1.0.0/16")


def test_listening_beyond_this_machine_asks_for_a_password():
    assert rules_for("127.0.0.1", {}).password is None
    with pytest.raises(BadInput, match="SYNTHSTUDIO_PASSWORD"):
        rules_for("0.0.0.0", {})  # noqa: S104
    assert rules_for("0.0.0.0", {"SPACE_ID": "a/b"}).public  # noqa: S104
    assert rules_for("0.0.0.0", {"SYNTHSTUDIO_PASSWORD": "x"}).password == "x"  # noqa: S104


def test_a_public_copy_refuses_every_change():
    looking = client(public=True)
    assert looking.get("/studio/state").status_code == 200
    assert looking.post("/studio/runs/x/stop").status_code == 403
