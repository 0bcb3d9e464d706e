"""How long a person waits before anything happens: `import synthstudio`, `recipes`, `steps`, against bare Python.

    python tests/benchmarks/start_up.py

Bound: `import synthstudio` and `synthstudio recipes` answer in under 1 s and load no torch.
"""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import synthstudio": ["-c", "import synthstudio"],
    "synthstudio recipes": ["-m", "synthstudio", "recipes"],
    "synthstudio steps": ["-m", "synthstudio", "steps"],
    "import torch": ["-c", "import torch"],
}


def seconds(arguments: list[str]) -> float:
    """Wall time of one process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main(rounds: int = 5) -> None:
    """Interleave the commands and print medians and the ratio to bare Python."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken = seconds(arguments)
            if number:  # the first round fills the file cache
                times[name].append(taken)
    bare = statistics.median(times["python -c pass"])
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{name:<22} {middle:6.2f} s ({min(taken):.2f} to {max(taken):.2f}), {middle / bare:6.1f} x bare Python")


if __name__ == "__main__":
    main()
