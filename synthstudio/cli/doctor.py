"""What `doctor` looks at. Each check says what it found and what to do about it."""

import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Literal, NamedTuple

from synthstudio import hub
from synthstudio.catalog.journal import NAME as JOURNAL
from synthstudio.catalog.journal import Journal
from synthstudio.catalog.opening import kept_aside
from synthstudio.catalog.runs import ACTIVE
from synthstudio.cli.progress import Reading
from synthstudio.errors import CatalogBusy, StudioError
from synthstudio.jobs import Studio
from synthstudio.jobs.cluster import address, look
from synthstudio.jobs.keeping import wholeness
from synthstudio.jobs.knowing import downloads
from synthstudio.jobs.running.worker import environment
from synthstudio.quantities import many
from synthstudio.resources import cpu_count
from synthstudio.workspace import Workspace

_LOW_DISK = 2 << 30
_HUB_SECONDS = 3.0
_AMOUNTS = ("nodes", "cpus", "gpus")


class Check(NamedTuple):
    """One finding. `warn` may be fine for you; `bad` needs doing something."""

    name: str
    state: Literal["ok", "warn", "bad"]
    finding: str
    advice: str = ""


def examine(home: Path, project: str, repair: bool = False, rebuild: bool = False) -> list[Check]:
    """Every check, in the order in which problems usually explain each other.

    `rebuild` makes the catalog again first; `repair` makes again what steps can make.
    """
    checks = [_versions(), *_devices(), *_cluster()]
    try:
        workspace = Workspace.open(home, project)
    except StudioError as error:
        return [*checks, _hub(), _disk(home), Check("home", "bad", str(error))]
    checks += [*(_model(one) for one in downloads.shelf(workspace)), _hub(), _disk(home)]
    catalog = [_catalog(home, project, rebuild), _journal(workspace)]
    return [*checks, *catalog, *files(home, project, repair), _unfinished(workspace)]


def _versions() -> Check:
    found = environment()
    absent = [name for name, version in found.items() if version == "not installed"]
    text = ", ".join(f"{name} {version}" for name, version in found.items())
    if absent:
        return Check("versions", "bad", text, "Install what is missing: pip install -r requirements.txt")
    return Check("versions", "ok", text)


def _devices() -> list[Check]:
    from synthstudio.engine.devices import accelerators

    found = accelerators()
    checks = [Check("cpu", "ok", f"{cpu_count()} cores"), *(Check(name, "ok", about) for name, about in found.items())]
    if not found:
        checks.append(Check("gpu", "warn", "none found", "pico runs on the CPU; Stable Diffusion wants a GPU."))
    return checks


def _cluster() -> list[Check]:
    """The cluster that SYNTHSTUDIO_CLUSTER names; nothing where it names none."""
    try:
        where = address.named(os.environ)
        if not where:
            return []
        size, found = address.size(os.environ), look.facts(where)
    except StudioError as error:
        return [Check("cluster", "bad", str(error))]
    each = f"a worker takes {size.cpus} CPUs" + ("" if size.gpus is None else f" and {size.gpus} GPUs")
    if found is None:
        return [Check("cluster", "ok", f"workers on this machine, {cpu_count()} CPUs, started by the next run; {each}")]
    has = ", ".join(f"{found[name]} {name if name == 'nodes' else name.upper()[:3] + 's'}" for name in _AMOUNTS)
    finding = f"{where}: {has}, Ray {found['ray']}; {each}"
    here = found["here"]
    other = [one for one in found["workers"] if one["code"] != here["code"]]
    if other:
        named = ", ".join(f"{one['host']} ({one['version'] or 'no SynthStudio'})" for one in other)
        advice = f"Install version {here['version']} as it is here on every node, and restart Ray there."
        return [Check("cluster", "bad", f"{finding}; other code on {named}", advice)]
    silent = found["asked"] - len(found["workers"])
    if silent:
        finding += f"; {silent} of {found['asked']} nodes did not say which code they have"
        return [Check("cluster", "warn", finding, "They may be busy; ask again.")]
    return [Check("cluster", "ok", f"{finding}; the same code on {len(found['workers'])} nodes that were asked")]


def _model(one: downloads.Shelved) -> Check:
    name = f"{one.purpose} {one.name}"
    terms = one.licence or "its card names no licence"
    if one.where == "not here" and one.damaged:
        return Check(name, "warn", f"not here; {terms}", one.damaged)
    if one.where == "not here":
        return Check(name, "warn", f"not on this machine; {terms}", f"python -m synthstudio fetch {one.name}")
    if one.damaged:
        return Check(name, "bad", one.damaged, "Check out the repository, or fetch the model, again.")
    return Check(name, "ok", f"{one.where}, {one.bytes / 1e6:,.0f} MB{one.precision and ' ' + one.precision}; {terms}")


def _hub() -> Check:
    address = hub.endpoint()
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_HUB_SECONDS).close()
    except (urllib.error.URLError, TimeoutError, ValueError) as error:
        advice = "Bundled and already fetched models work; others need a connection once."
        return Check("hub", "warn", f"{address} cannot be reached ({getattr(error, 'reason', error)})", advice)
    return Check("hub", "ok", f"{address} answers")


def _disk(home: Path) -> Check:
    place = home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if not os.access(place, os.W_OK):
        return Check("disk", "bad", f"{place} cannot be written", "Choose another folder with --home.")
    state: Literal["ok", "warn"] = "ok" if free > _LOW_DISK else "warn"
    return Check("disk", state, f"{free >> 20} MB free at {place}", "" if state == "ok" else "Free some space.")


def _catalog(home: Path, project: str, rebuild: bool) -> Check:
    try:
        with Studio(home, project, rebuild=rebuild) as studio:
            said = studio.catalog.said
            studio.tick()
            runs = studio.catalog.runs
            known, active = len(runs.ids()), len(runs.in_state(*ACTIVE))
            lost = [run.id for run in runs.in_state("lost")]
    except CatalogBusy as error:
        return Check("catalog", "warn", str(error))
    except StudioError as error:
        return Check("catalog", "bad", str(error), "Make it again with: python -m synthstudio doctor --rebuild")
    finding = " ".join([f"{many(known, 'run')}, {active} active, {len(lost)} lost", *said])
    advice = f"Resume with: python -m synthstudio resume {lost[0]}" if lost else ""
    return Check("catalog", "warn" if lost or said else "ok", finding, advice)


def _journal(workspace: Workspace) -> Check:
    lines = list(Journal(workspace.root / JOURNAL).lines())
    damaged, kept = lines.count(None), kept_aside(workspace.root)
    finding = many(len(lines), "line")
    if damaged:
        advice = "It is written again from the catalog by: python -m synthstudio doctor --rebuild"
        return Check("journal", "bad", f"{damaged} of {finding} cannot be read", advice)
    if kept:
        finding += f"; kept aside: {', '.join(file.name for file in kept)}"
        return Check("journal", "warn", finding, f"Delete them from {workspace.root} when nothing is missing.")
    return Check("journal", "ok", finding)


def files(home: Path, project: str, repair: bool) -> list[Check]:
    """What does not match its digest or is not there: one check for all, then one for each file."""
    try:
        with Studio(home, project) as studio:
            reading = Reading()
            found = wholeness.examine(studio, reading.show)
            away = len(studio.catalog.freed.all())
            if repair and found:
                wholeness.repair(studio, found, reading.say)
                found = wholeness.examine(studio, reading.show)
    except CatalogBusy:
        return [_files_alone(Workspace.open(home, project))]
    except StudioError as error:
        return [Check("files", "bad", str(error))]
    if not found:
        finding = "every image, document and weight file is there and matches its digest"
        on_purpose = f"; {away} things were thrown away on purpose and can be asked for again" if away else ""
        return [Check("files", "ok", finding + on_purpose)]
    can = sum(not one.why_not for one in found)
    advice = (
        f"Make the {can} again with: python -m synthstudio doctor --repair" if can else "No step can make them again."
    )
    summary = Check("files", "bad", f"{len(found)} missing or damaged, {can} of them can be made again", advice)
    return [summary, *(Check(one.part.kind, "bad", str(one)) for one in found)]


def _files_alone(workspace: Workspace) -> Check:
    """Without the catalog, which another process holds: damage is seen, what is missing is not."""
    damaged = [part.digest for part in wholeness.damaged_files(workspace, Reading().show)]
    if damaged:
        advice = "Close the page and ask again with --repair. Damaged: " + ", ".join(damaged)
        return Check("files", "bad", f"{len(damaged)} do not match their digest", advice)
    return Check("files", "ok", "what is there matches its digest; close the page to see whether anything is missing")


def _unfinished(workspace: Workspace) -> Check:
    parts = list(workspace.root.rglob(".*.part"))
    if not parts:
        return Check("leftovers", "ok", "no half-written files")
    size = sum(part.stat().st_size for part in parts)
    advice = f"Safe to delete when nothing runs: find '{workspace.root}' -name '.*.part' -delete"
    return Check("leftovers", "warn", f"{len(parts)} half-written files of killed processes, {size >> 10} kB", advice)
