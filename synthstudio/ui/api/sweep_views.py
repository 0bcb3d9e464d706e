"""Settings that are swept: the newest sweep, trial by trial, and what each trial would put into the form."""

from typing import Any

from synthstudio.complaints import label as words_of
from synthstudio.errors import BadInput
from synthstudio.jobs.asking.sweeps import trials_of
from synthstudio.jobs.curating import sweep
from synthstudio.measure_terms import MEASURES
from synthstudio.step import from_json
from synthstudio.steps.sample.variation import Variation
from synthstudio.steps.sweep.best import BestSettings
from synthstudio.ui.session.state import StudioSession
from synthstudio.ui.words import STATES

_SHOWN = ("teaches", "kernel_distance")
_T0 = "strength"


def newest(session: StudioSession) -> dict[str, Any] | None:
    """The newest sweep and what its trials have shown so far; nothing where none was asked for."""
    pipeline = sweep.newest(session.studio)
    if pipeline is None:
        return None
    found = sweep.document(session.studio, pipeline.id)
    return {
        **found,
        "state_words": STATES.get(found["state"], found["state"]),
        "heads": ["t0" if field == _T0 else words_of(field) for field in found["fields"]],
        "measures": [one.described() for one in MEASURES if one.name in _SHOWN],
        "validation_name": session.studio.catalog.names.of(found["validation"]),
        "trials": [{**one, "said": _said(one), "state_words": STATES[one["state"]]} for one in found["trials"]],
    }


def trial(session: StudioSession, pipeline_id: str, number: int) -> dict[str, Any]:
    """What the form is to be filled with: the settings of one trial."""
    nodes = session.studio.catalog.pipelines.nodes(pipeline_id)
    swept = next((one for one in nodes if one.kind == BestSettings.kind), None)
    trials = trials_of(swept, nodes) if swept else []
    if not 1 <= number <= len(trials):
        raise BadInput(f"This sweep has {len(trials)} trials, counted from 1.")
    run_id = trials[number - 1][1].run_id
    if swept is None or run_id is None:
        raise BadInput(f"Trial {number} has no settings yet. Wait until it begins.")
    step = from_json(session.studio.catalog.runs.step_body(session.studio.catalog.runs.get(run_id).step_id))
    only = [one["field"] for one in swept.template["ranges"]]
    if isinstance(step, Variation):
        only += ["start", "sources"]
    return {"kind": step.kind, "fields": step.fields, "only": only}


def _said(trial: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Its measures in words, as far as they are known."""
    return {
        one.name: one.said({one.name: trial[one.name]}) for one in MEASURES if one.name in _SHOWN and one.name in trial
    }
