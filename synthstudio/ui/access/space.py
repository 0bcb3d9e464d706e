"""A public copy: strangers look at the demo project, everybody who signs in works in a house of their own."""

import threading
from pathlib import Path

from synthstudio.errors import BadInput, UnknownName
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs import Studio
from synthstudio.jobs.asking.asked import Asked, prepare
from synthstudio.jobs.asking.recipes import load_recipe
from synthstudio.jobs.public.admission import refuse_model
from synthstudio.jobs.public.ledger import Ledger
from synthstudio.jobs.public.quotas import BoundedStudio, Quota
from synthstudio.jobs.running.launchers import Launcher
from synthstudio.ui.access import visitors
from synthstudio.ui.session import address
from synthstudio.ui.session.houses import House
from synthstudio.ui.session.place import Place
from synthstudio.ui.session.state import StudioSession
from synthstudio.workspace import slug

_OPEN_HOUSES = 40
_WORKERS = 1
_DEMO = "datadream"
_PROJECT_BYTES, _PROJECT_FILES = 1 << 20, 12  # of an empty project


class SpaceSession(StudioSession):
    """One page, many houses: which one is meant follows from who asks."""

    def __init__(self, home: Path, project: str | None, where: Place, quota: Quota) -> None:
        self.quota = quota
        self._root = Path(home).absolute() / "visitors"
        self._accounts: dict[Path, Ledger] = {}
        self._locks: dict[Path, threading.RLock] = {}
        self._door = threading.RLock()
        self.launcher: Launcher | None = None  # None: the usual one
        self._no_training = where.no_training
        self._accelerated = where.accelerated
        super().__init__(home, project, where)
        self._demo = super().last()

    @property
    def home(self) -> Path:
        """The visitor's own home, or that of the demo for who has not signed in."""
        name = visitors.visitor()
        return self._own_home if name is None else self._root / visitors.folder_name(name)

    @property
    def house(self) -> House:
        """As at home; who has not signed in sees the demo and no other project."""
        if visitors.visitor() is not None:
            return super().house
        asked = address.wanted()
        if asked is not None and self.find(asked) is None:
            raise UnknownName("There is no such project here. Sign in to see your own.")
        return self._demo_house()

    def _demo_house(self) -> House:
        return self._entered(self._own_home, self._demo)

    def find(self, text: str) -> str | None:
        """As at home, among the visitor's own; strangers find the demo, and who signs in there gets to their own."""
        demo = text in (slug(self._demo), self._demo)
        if visitors.visitor() is None:
            return self._demo if demo else None
        return super().find(text) or (self.last() if demo else None)

    def last(self) -> str:
        """As at home; for strangers the demo."""
        return self._demo if visitors.visitor() is None else super().last()

    def note_opened(self, project: str) -> None:
        """As at home; a stranger leaves no trace."""
        if visitors.visitor() is not None:
            super().note_opened(project)

    def houses(self) -> list[House]:
        """Every open house, the demo last: it may wait."""
        return sorted(super().houses(), key=lambda one: one.home == self._own_home)

    def check_writable(self) -> None:
        """BadInput for who has not signed in."""
        if visitors.visitor() is None:
            raise BadInput(sign_in_sentence(self.where))

    def check_sources(self, data: str, *models: str) -> None:
        """BadInput unless the data are the visitor's own and the models run here: nobody names a path of the server."""
        own = self.studio.workspace.root / "sources"
        inside = Path(data).is_relative_to(own) and ".." not in Path(data).parts
        if data != DIGITS and not inside:
            raise BadInput("Choose photos that you brought in under Data, or the handwritten digits.")
        for name in models:
            refuse_model(name, self.where.accelerated)

    @property
    def ledger(self) -> Ledger:
        """The visitor's own account; it outlives the house, which is closed and opened again."""
        return self._account(self.home)

    def open(self, project: str) -> str:
        """As at home; a visitor may have so many projects."""
        self.check_writable()
        with self._lock_of(self.home):
            if self.find(project) is not None:
                return super().open(project)
            if len({*self.projects(), self.last()}) >= self.quota.projects:
                raise BadInput(f"You have {self.quota.projects} projects, the limit here. Open one of them.")
            with self.ledger.admitting(_PROJECT_BYTES, _PROJECT_FILES):
                return super().open(project)

    def projects(self) -> dict[str, str]:
        """As at home; strangers see the demo alone."""
        return {slug(self._demo): self._demo} if visitors.visitor() is None else super().projects()

    def fill_demo(self) -> None:
        """Begin the newcomer's recipe in an empty demo project, so that there is something to look at."""
        house = self._demo_house()
        studio = house.studio
        if self.where.no_training or studio.catalog.pipelines.all():
            return
        recipe = load_recipe(_DEMO)
        request = prepare(studio.workspace, Asked(data=DIGITS))
        with house.lock:
            studio.start(recipe.name, request, recipe.nodes(request))

    def _most_open(self) -> tuple[int, int]:
        return self.quota.projects, _OPEN_HOUSES

    def _opened(self, home: Path, project: str) -> House:
        return House(home, project, self._bounded, self._lock_of(home))

    def _bounded(self, home: Path, project: str) -> Studio:
        studio = BoundedStudio(home, project, self.quota, self._no_training, self._has_room, self._accelerated)
        studio.ledger = self._account(home)
        studio.downloads = self.where.downloads
        studio.looking = lambda: self.looks(home)
        studio.elsewhere = lambda: self._working_beside(home, studio)
        studio.launcher = self.launcher or studio.launcher
        return studio

    def _account(self, home: Path) -> Ledger:
        with self._door:
            return self._accounts.setdefault(home, self.quota.ledger(home))

    def _lock_of(self, home: Path) -> threading.RLock:
        """One lock for all projects of a visitor: what was admitted in one counts when the next one asks."""
        with self._door:
            return self._locks.setdefault(home, threading.RLock())

    def _working_beside(self, home: Path, studio: Studio) -> int:
        """What works in the visitor's other open projects."""
        others = [one.studio for one in self.open_houses.all(home) if one.studio is not studio]
        return sum(one.busy() for one in others if isinstance(one, BoundedStudio))

    def _has_room(self) -> bool:
        """Workers of all houses share one machine."""
        return sum(house.computing for house in self.houses()) < _WORKERS


def sign_in_sentence(where: Place) -> str:
    """What to do to work here."""
    if where.sign_in:
        return "This demo can only be looked at. Sign in with Hugging Face (above) to work in a project of your own."
    return "This public copy can only be looked at. Run your own: duplicate it, or python app.py at home."
