"""Every attack by name. A seed is a name, so that a round, a test and a report speak of the same thing."""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.campaign import damage, fuzz, kills
from tests.campaign.world import CHAIN, Harmed, World

KEPT = Path(__file__).with_name("kept.json")
Attack = Callable[[World, random.Random], int]

_DAMAGE: dict[str, Attack] = {
    "log": damage.log, "interrupted log": damage.interrupted_log, "catalog": damage.catalog,
    "journal": damage.journal, "artifact": damage.artifact, "disk": damage.disk,
    "decisions on a full disk": damage.decisions_on_a_full_disk,
}  # fmt: skip
ATTACKS: dict[str, Attack] = {
    **{f"kill {link.name}": kills.step(link.name) for link in CHAIN},
    "kill page": kills.page,
    **_DAMAGE,
    **{f"fuzz {name}": attack for name, attack in fuzz.ALL.items()},
}
NEEDS_A_DISK = ("disk", "decisions on a full disk")


@dataclass(frozen=True)
class Outcome:
    """One attack: what it killed, how long it took, and what harm it did, if any."""

    name: str
    seed: str
    kills: int
    seconds: float
    harm: str = ""


def carry_out(name: str, seed: str, world: World) -> Outcome:
    """One attack with one seed. Whatever it raises is harm: an attack that cannot go on met something unforeseen."""
    began, killed, harm = time.monotonic(), 0, ""
    try:
        killed = ATTACKS[name](world, random.Random(f"{name} {seed}"))
    except Exception as error:
        kind = "" if isinstance(error, Harmed) else f"{type(error).__name__}: "
        harm = f"{kind}{error}"[:2000]
    return Outcome(name, seed, killed, time.monotonic() - began, harm)


def kept() -> list[tuple[str, str]]:
    """(attack, seed) of everything that has ever done harm."""
    return [(row["attack"], row["seed"]) for row in json.loads(KEPT.read_text())] if KEPT.exists() else []


def keep(outcome: Outcome) -> None:
    """Remember a harm, so that the tests try it again for ever."""
    rows = json.loads(KEPT.read_text()) if KEPT.exists() else []
    if (outcome.name, outcome.seed) not in kept():
        rows.append({"attack": outcome.name, "seed": outcome.seed, "harm": outcome.harm[:200]})
        KEPT.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
