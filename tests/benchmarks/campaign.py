"""Attack a project and its page in rounds until the time is used up, and say what was harmed.

    python -m tests.benchmarks.campaign --minutes 60 --kills 300 --seed 0
    python -m tests.benchmarks.campaign --only "kill adapter" "catalog" --minutes 5

Every kind of Step is killed at random moments, and so is the page; disks fill, logs are cut, catalogs and files are
damaged, hostile input arrives. A round is every attack once, in a random order; it goes on until both the minutes and
the kills are used up. Whatever does harm is printed with its seed and kept in `tests/campaign/kept.json`, which the
tests try again. Exits 1 if anything was harmed.
"""

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.campaign import damage
from tests.campaign.attacks import ATTACKS, NEEDS_A_DISK, Outcome, carry_out, keep
from tests.campaign.world import World, kinds_without_a_link


def campaign(world: World, names: list[str], asked: argparse.Namespace, kills: int) -> list[Outcome]:
    """Rounds of attacks. Each is printed, and the table written, as it happens: a campaign may be killed too."""
    outcomes: list[Outcome] = []
    began, seed = time.monotonic(), asked.seed
    until = began + 60 * asked.minutes
    for number in range(100_000):
        order = random.Random(f"{seed} {number}").sample(names, len(names))
        for name in order:
            if time.monotonic() > until and sum(one.kills for one in outcomes) >= kills:
                return outcomes
            outcome = carry_out(name, f"{seed}-{number}", world)
            outcomes.append(outcome)
            print(f"{outcome.name} [{outcome.seed}]: {outcome.kills} kills, {outcome.seconds:.0f} s"
                  + (f"  HARMED: {outcome.harm}" if outcome.harm else ""), flush=True)  # fmt: skip
            if outcome.harm:
                keep(outcome)
            if asked.out:
                asked.out.write_text(table(outcomes, time.monotonic() - began))
    return outcomes


def table(outcomes: list[Outcome], seconds: float) -> str:
    """Tried and harmed, by attack."""
    command = f"python -m tests.benchmarks.campaign {' '.join(sys.argv[1:])}"
    by_name: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        by_name[one.name].append(one)
    lines = [
        "# Campaign",
        "",
        f"    {command}",
        "",
        f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, {seconds / 60:.0f} minutes: "
        f"{len(outcomes)} attacks, {sum(one.kills for one in outcomes)} kills, "
        f"{sum(bool(one.harm) for one in outcomes)} harmed.",
        "",
        "| attack | tried | kills | harmed |",
        "|---|---|---|---|",
    ]
    for name in ATTACKS:
        found = by_name.get(name, [])
        harmed = [one for one in found if one.harm]
        said = f"{len(harmed)}: {harmed[0].harm[:120]}" if harmed else "0"
        lines.append(f"| {name} | {len(found)} | {sum(one.kills for one in found)} | {said} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the world, attack it, print the table."""
    parser = argparse.ArgumentParser(description="Attack a project and its page; print what was harmed.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=300, help="at least so many, if kills are among the attacks")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", nargs="+", default=sorted(ATTACKS), help="attacks by name or by their beginning")
    parser.add_argument("--out", type=Path, help="write the table here")
    asked = parser.parse_args()
    missing = kinds_without_a_link()
    if missing:
        sys.exit(f"No attack meets {', '.join(missing)}: add a link to tests/campaign/world.py.")
    names = [name for name in ATTACKS if name.startswith(tuple(asked.only))]
    if not damage.can_mount():
        print(f"Left out, because they mount a disk, which needs root: {', '.join(NEEDS_A_DISK)}")
        names = [name for name in names if name not in NEEDS_A_DISK]
    kills = asked.kills if any(name.startswith("kill") for name in names) else 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="synthstudio-campaign-") as folder:
        outcomes = campaign(World(Path(folder)), names, asked, kills)
    print(table(outcomes, time.monotonic() - began))
    sys.exit(1 if any(one.harm for one in outcomes) else 0)


if __name__ == "__main__":
    main()
