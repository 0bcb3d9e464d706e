"""The way into a project: an address without one leads to the one that was opened last, and one that is not there is
answered in words, with what there is.

Plain ASGI behind the guard, for the same reason as the guard.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from synthstudio.errors import StudioError
from synthstudio.ui.access import visitors
from synthstudio.ui.access.guard import answer
from synthstudio.ui.session import address
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.words import safe
from synthstudio.workspace import slug

_GRADIO = "/gradio_api/"
_OF_A_PROJECT = ("/studio/", _GRADIO)
_OF_THE_PAGE = ("/studio/page/", "/studio/grid/", "/gradio_api/startup-events", "/gradio_api/heartbeat")
_FRESH = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class _Found:
    """What an address leads to: a project by name, or nothing, and why."""

    project: str | None
    refusal: str = ""


class Entrance:
    """Wraps the application behind the guard: whatever passes is about a project that is there and open."""

    def __init__(self, app: ASGIApp, session: StudioSession) -> None:
        self._app = app
        self._session = session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lead to the project of the address, or refuse in words."""
        path = scope["path"] if scope["type"] == "http" else ""
        is_page = path == "/"
        if not is_page and (not path.startswith(_OF_A_PROJECT) or path.startswith(_OF_THE_PAGE)):
            await self._app(scope, receive, send)
            return
        asked = scope.get(address.SCOPE_KEY)
        if asked is None and path.startswith(_GRADIO):
            await self._app(scope, receive, send)  # of a program: its events say themselves which project they mean
            return
        # In a thread: opening a project reads its catalog, and the event loop must not wait for that.
        found = await asyncio.to_thread(self._find, asked, is_page)
        if is_page:
            await self._page(scope, receive, send, asked, found)
        elif found.refusal:
            await answer(send, path, 404 if found.project is None else 503, found.refusal)
        else:
            await self._app(scope, receive, send)

    def _find(self, asked: str | None, is_page: bool) -> _Found:
        session = self._session
        name = session.last() if asked is None else session.find(asked)
        if name is None:
            return _Found(None, f"There is no project “{(asked or '')[:80]}” here. Open one of those that there are.")
        try:
            with address.within(name):
                session.house  # noqa: B018 - open it
        except StudioError as error:
            return _Found(name, str(error))
        if is_page:
            session.note_opened(name)
        return _Found(name)

    async def _page(self, scope: Scope, receive: Receive, send: Send, asked: str | None, found: _Found) -> None:
        given: Response
        if found.project is None or found.refusal:
            title = "No such project" if found.project is None else f"“{found.project}” cannot be opened"
            status = 404 if found.project is None else 503
            projects = await asyncio.to_thread(self._session.projects)
            page = _in_words(title, found.refusal, projects, self._sign_in(asked))
            given = HTMLResponse(page, status, headers=_FRESH)
        elif asked != slug(found.project):
            others = [one for one in parse_qsl(scope["query_string"].decode("latin1")) if one[0] != address.PARAMETER]
            query = urlencode([(address.PARAMETER, slug(found.project)), *others])
            given = RedirectResponse(f"/?{query}", 302, headers=_FRESH)
        else:
            await self._app(scope, receive, send)
            return
        await given(scope, receive, send)

    def _sign_in(self, asked: str | None) -> str:
        """Where a stranger signs in to get to the project that was asked for; empty where that is no way."""
        if not self._session.where.sign_in or visitors.visitor() is not None:
            return ""
        return "/login/huggingface?" + urlencode({"_target_url": f"/?{urlencode({address.PARAMETER: asked or ''})}"})


_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;background:light-dark(#f7f7f5,#131416);"
    "color:light-dark(#1d2024,#e8e9eb);font:16px/1.5 ui-sans-serif,system-ui,sans-serif}"
    "main{max-width:40rem;margin:0 auto;padding:48px 18px}h1{font-size:1.3rem}a{color:light-dark(#0f766e,#2dd4bf)}"
    "li{margin:.3em 0;overflow-wrap:anywhere}h1,p{overflow-wrap:anywhere}"
)


def _in_words(title: str, text: str, projects: Mapping[str, str], sign_in: str) -> str:
    """A page of its own: gradio's would ask for a project that is not there."""
    links = "".join(f'<li><a href="/?project={place}">{safe(name)}</a></li>' for place, name in projects.items())
    ways = f"<p>Projects here:</p><ul>{links}</ul>" if links else ""
    if sign_in:
        ways += f'<p><a href="{safe(sign_in)}">Sign in with Hugging Face</a> to see your own.</p>'
    else:
        ways += "<p>A new project is made on the Start tab of any other, under “Open a project”.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>SynthStudio</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>"
        f'<h1>{safe(title)}</h1><p role="alert">{safe(text)}</p>{ways}</main></body></html>'
    )
