"""The page as an attacker meets it: `python -m tests.ui.attacked HOME [PASSWORD]` serves it and prints its routes.

The limits are small, so that what is too large or endless is so after a moment.
"""

import json
import resource
import sys
import threading
from dataclasses import replace
from pathlib import Path

from synthstudio.ui import environment

FILES = 256


def routes(listed, prefix=""):
    """(path, methods) of every route, mounted applications and included routers too."""
    from fastapi.routing import iter_route_contexts
    from starlette.routing import Mount

    for context in iter_route_contexts(listed):
        route = getattr(context, "route", context)
        path = prefix + str(getattr(context, "path", getattr(route, "path", "")))
        if isinstance(route, Mount):
            yield from routes(route.routes, path)
        else:
            yield path, sorted(getattr(context, "methods", None) or getattr(route, "methods", None) or ("GET",))


def fill(session):
    """One picture, and beside it a link that leads out of the home."""
    from synthstudio.artifacts import Image
    from synthstudio.events import Made
    from synthstudio.resources import Resources
    from tests.jobs.counting import Paint
    from tests.ui.pictures import png

    studio = session.studio
    studio.catalog.runs.add("r1", Paint(), Resources())
    digest = studio.workspace.put(png(1))
    link = studio.workspace.path("f" * 64)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(session.home.parent / "canary.txt")
    lines = [Made(index=n, image=Image(d, "cat", "synthetic", 24, 24)) for n, d in enumerate((digest, "f" * 64))]
    studio.catalog.ingest("r1", [(1.0, line) for line in lines], 1)
    studio.catalog.runs.set_state("r1", "done")


def main():
    """Serve until the parent closes our input."""
    home, password = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    environment.prepare(home)
    from synthstudio.ui.access.connections import Limits
    from synthstudio.ui.access.guard import Rules
    from synthstudio.ui.serve import launch
    from synthstudio.ui.session.state import StudioSession

    session = StudioSession(home)
    fill(session)
    rules = Rules(password=password, body_bytes=100_000, upload_bytes=300_000, silence_seconds=1.0, body_seconds=4.0)
    page, url = launch(session, rules, limits=replace(Limits.of_system(), head_seconds=1.0))
    sys.stdout.write(json.dumps({"url": url, "routes": list(routes(page.app.routes))}) + "\n")
    sys.stdout.flush()
    threading.Thread(target=session.start, daemon=True).start()
    sys.stdin.read()
    page.close(verbose=False)
    session.close()


if __name__ == "__main__":
    main()
