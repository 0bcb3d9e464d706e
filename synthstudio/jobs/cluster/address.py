"""What the environment says of a cluster: where it is, and how large one worker is. Imports no ray."""

import importlib.util
import re
import socket
from collections.abc import Mapping
from typing import NamedTuple

from synthstudio.errors import BadInput

VARIABLE = "SYNTHSTUDIO_CLUSTER"
WORKER = "SYNTHSTUDIO_CLUSTER_WORKER"
INSTALL = "pip install 'synthstudio[cluster]'"
LOCAL, AUTO = "local", "auto"
_SECONDS_TO_ANSWER = 5.0
_FORM = re.compile(r"(?:ray://)?(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/@]+):(?P<port>\d{1,5})")


class Size(NamedTuple):
    """What one worker holds while it works."""

    cpus: int = 1
    gpus: int | None = None  # None: one where the cluster has any and the run did not ask for the CPU


def named(environment: Mapping[str, str]) -> str:
    """The address in the environment, or nothing; BadInput if it is no address."""
    address = environment.get(VARIABLE, "").strip()
    if address and address not in (LOCAL, AUTO) and not _is_address(address):
        raise BadInput(
            f"{VARIABLE}={address!r} is no cluster. Write ray://host:10001 (Ray's client port), host:6379 on a machine "
            "of the cluster, auto for the cluster that this machine belongs to, or local for workers on this machine."
        )
    return address


def size(environment: Mapping[str, str]) -> Size:
    """How large one worker is: `cpus=4,gpus=1`; BadInput for anything else."""
    found: dict[str, int] = {}
    for part in filter(None, environment.get(WORKER, "").replace(" ", "").split(",")):
        name, _, number = part.partition("=")
        if name not in ("cpus", "gpus") or not number.isdigit() or (name == "cpus" and number == "0"):
            raise BadInput(f"{WORKER} cannot be read at {part!r}. Write for example cpus=4,gpus=1.")
        found[name] = int(number)
    return Size(found.get("cpus", 1), found.get("gpus"))


def refuse_unless_installed() -> None:
    """BadInput, which says what to install, where Ray is not here."""
    if importlib.util.find_spec("ray") is None:
        raise BadInput(
            f"{VARIABLE} is set, but Ray is not installed here. Install it with: {INSTALL}. Or unset {VARIABLE} to "
            "work on this machine alone."
        )


def refuse_unless_answering(address: str) -> None:
    """BadInput if nobody listens at an address that has a host, within five seconds."""
    found = _FORM.fullmatch(address)
    if found is None:
        return
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise unanswered(address, str(error)) from error


def unanswered(address: str, why: str) -> BadInput:
    """The sentence about a cluster that does not answer."""
    return BadInput(
        f"The cluster at {address} does not answer ({why}). Start it, or correct or unset {VARIABLE}, then resume; "
        "nothing finished is lost."
    )


def _is_address(text: str) -> bool:
    found = _FORM.fullmatch(text)
    return found is not None and 0 < int(found["port"]) < 65536
