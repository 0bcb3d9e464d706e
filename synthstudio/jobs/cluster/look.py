"""What a cluster says of itself, asked by a process that may be ended: for `doctor`. Imports no ray."""

import json
import os
import subprocess
import sys
from typing import Any

from synthstudio.errors import BadInput
from synthstudio.jobs.cluster import address, local
from synthstudio.jobs.running.environment import for_couriers
from synthstudio.jobs.running.launchers import PACKAGE

_SECONDS = 90.0


def facts(where: str) -> dict[str, Any] | None:
    """Nodes, CPUs, GPUs, Ray's version, and which code the workers have; None of workers on this machine that are not
    started. BadInput if it does not answer.
    """
    address.refuse_unless_installed()
    environment = for_couriers(os.environ)
    if where == address.LOCAL:
        file = local.where()
        where = local.running(file)
        if not where:
            return None
        environment |= local.way_in(file)
    address.refuse_unless_answering(where)
    try:
        asked = subprocess.run(
            [sys.executable, "-m", "synthstudio.jobs.cluster.rays", "facts", where],
            env=environment, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise address.unanswered(where, f"nothing came in {_SECONDS:.0f} s") from error
    if asked.returncode:
        lines = asked.stderr.strip().splitlines()
        raise BadInput(lines[-1] if lines else f"Asking the cluster at {where} ended with code {asked.returncode}.")
    return dict(json.loads(asked.stdout.strip().splitlines()[-1]))
