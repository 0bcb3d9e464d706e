"""A public copy: strangers look at the demo project, everybody who signs in works in a house of their own."""

import threading
import time
from collections import OrderedDict
from pathlib import Path

from synthstudio.errors import BadInput
from synthstudio.intake.sources import DIGITS
from synthstudio.jobs import Studio
from synthstudio.jobs.launchers import Launcher
from synthstudio.jobs.recipes import load_recipe
from synthstudio.jobs.requests import Asked, prepare
from synthstudio.models import MODELS
from synthstudio.ui import visitors
from synthstudio.ui.place import Place
from synthstudio.ui.quotas import BoundedStudio, Quota
from synthstudio.ui.session import House, StudioSession

_OPEN_HOUSES = 20
_IDLE_SECONDS = 900.0
_WORKERS = 1
_DEMO = "datadream"


class SpaceSession(StudioSession):
    """One page, many houses: which one is meant follows from who asks."""

    def __init__(self, home: Path, project: str, where: Place, quota: Quota) -> None:
        self.quota = quota
        self._root = Path(home).absolute() / "visitors"
        self._guests: OrderedDict[str, House] = OrderedDict()
        self._asked: dict[str, float] = {}
        self._door = threading.RLock()
        self.launcher: Launcher | None = None  # None: the usual one
        self._no_training = where.no_training
        super().__init__(home, project, where)

    @property
    def house(self) -> House:
        """The visitor's own house, or the demo for who has not signed in."""
        name = visitors.visitor()
        return self.own if name is None else self._guest(name)

    def houses(self) -> list[House]:
        """Every open house."""
        with self._door:
            return [*self._guests.values(), self.own]

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
            known = MODELS.get(name)
            if known is None or not (known.folder or self.where.accelerated):
                here = ", ".join(one.name for one in MODELS.values() if one.folder or self.where.accelerated)
                raise BadInput(f"The model {name} does not run on this Space. Here you can use: {here}.")

    def check_room(self, coming_bytes: int) -> None:
        """BadInput if the visitor's quota has no room for so many bytes more."""
        studio = self.studio
        if isinstance(studio, BoundedStudio):
            studio.refuse_over(coming_bytes=coming_bytes)

    def open(self, project: str) -> None:
        """Switch the visitor's house to another project, when nothing works in this one."""
        self.check_writable()
        known = self.house.projects()
        if project not in known and len(known) >= self.quota.projects:
            raise BadInput(f"You have {self.quota.projects} projects, the limit here. Open one of them.")
        if project != self.project and _working(self.house):
            raise BadInput("Something works in this project. Stop it or wait for it before you open another.")
        self.house.open(project)

    def tick(self) -> None:
        """Tick every house, then close those that nobody has looked at for a while and that have no work."""
        super().tick()
        with self._door:
            if self._guests:  # begin with another next time, so that everybody's work gets its turn
                self._guests.move_to_end(next(iter(self._guests)))
            old = [name for name in self._guests if time.monotonic() - self._asked[name] > _IDLE_SECONDS]
            left = [house for name in old if (house := self._let_go(name)) is not None]
        _close(left)

    def fill_demo(self) -> None:
        """Begin the newcomer's recipe in an empty demo project, so that there is something to look at."""
        studio = self.own.studio
        if self.where.no_training or studio.catalog.pipelines.all():
            return
        recipe = load_recipe(_DEMO)
        request = prepare(studio.workspace, Asked(data=DIGITS))
        with self.own.lock:
            studio.start(recipe.name, request, recipe.nodes(request))

    def close(self) -> None:
        """Stop ticking and release every catalog."""
        super().close()
        with self._door:
            self._guests.clear()

    def _opened(self, home: Path, project: str) -> House:
        return House(home, project, self._bounded)

    def _bounded(self, home: Path, project: str) -> Studio:
        studio = BoundedStudio(home, project, self.quota, self._no_training, self._has_room)
        studio.launcher = self.launcher or studio.launcher
        return studio

    def _guest(self, name: str) -> House:
        left = None
        with self._door:
            found = self._guests.get(name)
            if found is None:
                left = self._make_room()
                found = House(self._root / visitors.folder_name(name), "default", self._bounded)
                self._guests[name] = found
            self._asked[name] = time.monotonic()
        _close([left] if left else [])
        return found

    def _make_room(self) -> House | None:
        """At most so many catalogs are open; whoever was longest away goes first, unless their work goes on."""
        if len(self._guests) < _OPEN_HOUSES:
            return None
        for name in sorted(self._guests, key=lambda one: self._asked[one]):
            house = self._let_go(name)
            if house is not None:
                return house
        raise BadInput("Too many people are working here right now. Try again in a few minutes.")

    def _let_go(self, name: str) -> House | None:
        """Forget a house without work; the caller closes it when the door is free again."""
        if _working(self._guests[name]):
            return None
        del self._asked[name]
        return self._guests.pop(name)

    def _has_room(self) -> bool:
        """Workers of all houses share one machine."""
        return sum(house.computing for house in self.houses()) < _WORKERS


def _working(house: House) -> bool:
    return isinstance(house.studio, BoundedStudio) and house.studio.working() > 0


def _close(houses: list[House]) -> None:
    """Outside of the door: a house that ticks holds its own lock and may be waiting for the door."""
    for house in houses:
        house.close()


def sign_in_sentence(where: Place) -> str:
    """What to do to work here."""
    if where.sign_in:
        return "This demo can only be looked at. Sign in with Hugging Face (above) to work in a project of your own."
    return "This public copy can only be looked at. Run your own: duplicate it, or python app.py at home."
