"""sweep.next: which settings to try, after what the trials so far have shown (TPE; Bergstra et al. 2011)."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from synthstudio.errors import BadInput
from synthstudio.events import Event, Note, Output
from synthstudio.seeds import derived_seed
from synthstudio.step import Step
from synthstudio.steps import Work
from synthstudio.steps.sweep import trials
from synthstudio.steps.sweep.ranges import Range, Ranges, Settings, first_of, how_many
from synthstudio.steps.sweep.trials import Asked, Guard, Scored, Trial, Validation
from synthstudio.terms import Seed

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

_DRAWN = 5  # trials that are drawn blindly before the sampler has something to learn from
_PATIENCE = 50  # proposals that were tried already before another one is taken
_FAILED = 1.0  # what a trial loses that the guard refuses: it is worse than every one that passes


class NextSettings(Step):
    """Ask Optuna's TPE sampler for the next settings; the first trial has those the sweep begins from.

    Nothing is kept between two questions: the study is made again from the trials that are named, and the seed is that
    of this trial's number. So a sweep that was interrupted goes on with the settings it would have had.
    """

    kind: ClassVar[str] = "sweep.next"
    title: ClassVar[str] = "Choose the next settings to try"
    computes: ClassVar[bool] = False

    ranges: Ranges
    asked: Asked = ()
    scored: Scored = ()
    validation: Validation = None
    guard: Guard = None
    seed: Seed = 0

    def run(self, work: Work) -> Iterator[Event]:
        """Say the settings, all together and each by itself."""
        trials.photos(self.validation)
        the_proposer()  # the first trial needs none, but a sweep that cannot go on should not begin
        known = trials.read(work.workspace, self.asked, self.scored, self.guard)
        settings = self._chosen(known)
        yield Note(text=f"Trial {len(known) + 1}: {said(settings)}.")
        body = {"number": len(known) + 1, "settings": settings}
        yield Output(name="settings", value=work.workspace.put_document("settings", body))
        for field, value in settings.items():
            yield Output(name=field, value=value)

    def _chosen(self, known: Sequence[Trial]) -> Settings:
        if not known:
            return first_of(self.ranges)
        if how_many(self.ranges) <= len({tuple(one.settings.values()) for one in known}):
            raise BadInput(f"All {len(known)} settings of these ranges were tried. Ask for fewer trials, or widen one.")
        return self._proposed(known)

    def _proposed(self, known: Sequence[Trial]) -> Settings:
        """What Optuna proposes, unless it was tried: of a few values the sampler proposes the best again and again."""
        tried, seed = [one.settings for one in known], derived_seed(self.seed, "sweep", len(known))
        study, spaces = _study(self.ranges, known, seed % 2**32)
        for _ in range(_PATIENCE):
            drawn = study.ask(spaces).params
            settings: Settings = {one.field: one.near(drawn[one.field]) for one in self.ranges}
            if settings not in tried:
                return settings
        random = Random(seed)  # noqa: S311 - no secret
        while settings in tried:
            settings = {one.field: random.choice(one.every) for one in self.ranges}
        return settings


def said(settings: Settings) -> str:
    """'guidance scale 2, inference steps 20'."""
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in settings.items())


def _study(ranges: Sequence[Range], known: Sequence[Trial], seed: int) -> "tuple[Any, dict[str, BaseDistribution]]":
    """A study that has seen these trials, and the space of each field."""
    optuna = the_proposer()
    spaces: dict[str, BaseDistribution] = {one.field: _space(one) for one in ranges}
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_DRAWN)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in known:
        if all(trial.settings[one.field] in one.every for one in ranges):  # the first may lie outside
            value = trial.teaches.value - (0 if trial.passes else _FAILED)
            study.add_trial(optuna.create_trial(params=trial.settings, distributions=spaces, value=value))
    return study, spaces


def _space(one: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if one.low is None or one.high is None:
        return CategoricalDistribution(one.every)
    if one.whole:
        return IntDistribution(round(one.low), round(one.high))
    return FloatDistribution(one.low, one.high)


def the_proposer() -> Any:
    """Optuna; BadInput where it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise BadInput(
            "Optuna proposes the settings of a sweep, and is not here. Install it with: pip install optuna"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
