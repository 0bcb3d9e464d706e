"""Open the project, build the page, listen. Only this machine can reach it unless there is a password."""

import ipaddress
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from starlette.middleware import Middleware
from starlette.routing import Mount

from synthstudio.errors import BadInput, StudioError
from synthstudio.jobs.public.quotas import Quota
from synthstudio.ui import scripts, theme
from synthstudio.ui.access.connections import Limits, limited
from synthstudio.ui.access.entrance import Entrance
from synthstudio.ui.access.guard import Guard, Rules
from synthstudio.ui.access.space import SpaceSession
from synthstudio.ui.api import (
    distil_routes,
    frozen_routes,
    models_routes,
    routes,
    run_routes,
    things_routes,
    upload_routes,
    views_routes,
)
from synthstudio.ui.api.live import Live
from synthstudio.ui.api.uploads import Uploads
from synthstudio.ui.session.place import place
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.shell import build
from synthstudio.ui.tabs import review

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SESSIONS = 200


def serve(home: Path, project: str | None, host: str, port: int | None) -> int:
    """Serve until interrupted; returns the exit code. A problem a person can mend is one sentence."""
    try:
        rules = rules_for(host, os.environ)
        session = session_for(home, project, os.environ)
    except StudioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    session.start()
    try:
        if isinstance(session, SpaceSession) and os.environ.get("SYNTHSTUDIO_DEMO", "on") != "off":
            session.fill_demo()
        launch(session, rules, host, port)
        _forget_secrets()
        sys.stderr.write("Ctrl-C ends the page; runs go on and are found again.\n")
        threading.Event().wait()
    except KeyboardInterrupt:
        sys.stderr.write("Closed. Runs that were working go on.\n")
    finally:
        session.close()
    return 0


def rules_for(host: str, environment: Mapping[str, str]) -> Rules:
    """Who may reach the page. Listening beyond this machine asks for SYNTHSTUDIO_PASSWORD; a Space without one is
    public: strangers look, people who sign in work.
    """
    password = environment.get("SYNTHSTUDIO_PASSWORD") or None
    proxies = _proxies(environment.get("SYNTHSTUDIO_TRUSTED_PROXIES", ""))
    on_space = "SPACE_ID" in environment
    if host in _LOOPBACK and not on_space:
        return Rules(password=password, proxies=proxies)
    if password is None and not on_space:
        raise BadInput(
            "Others could reach this page. Set SYNTHSTUDIO_PASSWORD (the user name is studio), or listen on 127.0.0.1."
        )
    names = [name.strip() for name in environment.get("SPACE_HOST", "").split(",")]
    origins = tuple(f"https://{name}" for name in names if name)
    if password is not None:
        return Rules(hosts=(), origins=origins, password=password, proxies=proxies)
    room = Quota.read(environment).bytes
    return Rules(hosts=(), origins=origins, public=True, upload_bytes=room, proxies=proxies)


def _proxies(text: str) -> tuple[str, ...]:
    """Addresses and networks as they were named; BadInput for what is neither."""
    named = tuple(one.strip() for one in text.split(",") if one.strip())
    for one in named:
        try:
            ipaddress.ip_network(one)
        except ValueError as error:
            raise BadInput(
                f"SYNTHSTUDIO_TRUSTED_PROXIES: {one!r} is no address or network. Name the proxies, for example"
                " 10.0.0.7,10.1.0.0/16."
            ) from error
    return named


def session_for(home: Path, project: str | None, environment: Mapping[str, str]) -> StudioSession:
    """One home for everybody, or on a public Space one for each visitor."""
    where = place(environment, home)
    if not where.public:
        return StudioSession(home, project, where)
    session = SpaceSession(home, project, where, Quota.read(environment))
    if where.zero_gpu:
        from synthstudio.jobs.public.zerogpu import ZeroLauncher  # noqa: PLC0415 - it asks for the `spaces` package

        session.launcher = ZeroLauncher()
    return session


def _forget_secrets() -> None:
    """Gradio and the guard have read them. What children get, and what this is not: `jobs/running/environment.py`."""
    for name in ("SYNTHSTUDIO_PASSWORD", "OAUTH_CLIENT_SECRET"):
        os.environ.pop(name, None)


def launch(
    session: StudioSession,
    rules: Rules,
    host: str = "127.0.0.1",
    port: int | None = None,
    limits: Limits | None = None,
) -> tuple[gr.Blocks, str]:
    """Start listening and return at once, with the page and its address."""
    live = Live(session)
    page = build(session, live)
    page.space_id = None  # told its name, a page on a Space asks huggingface.co and font servers by itself
    page.queue(max_size=64, default_concurrency_limit=4, api_open=False)
    others = [
        review.router(session),
        views_routes.router(session),
        run_routes.router(session),
        views_routes.export_router(session),
        frozen_routes.router(session),
        distil_routes.router(session, live),
        things_routes.router(session),
        models_routes.router(session),
        upload_routes.router(Uploads(session), session),
    ]
    extra: dict[str, Any] = {
        "middleware": [Middleware(Guard, rules=rules), Middleware(Entrance, session=session)],
        "routes": [Mount("/studio", routes.api(session, live, others))],
        "exception_handlers": {RequestValidationError: routes.which_field},  # gradio's own routes take JSON too
    }
    with limited(limits or Limits.of_system(rules.proxies)):
        _, url, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            theme=theme.theme(),
            head=scripts.head(),
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            enable_monitoring=False,
            pwa=False,
            mcp_server=False,
            show_error=False,
            max_file_size="1mb",
            state_session_capacity=_SESSIONS,
            app_kwargs=extra,
            _frontend=False,  # else gradio gives up on a busy machine, where its own question takes over three seconds
        )
    return page, str(url).rstrip("/")
