"""How often 95 % intervals hold the truth, and how the intervals before did: `python -m tests.benchmarks.coverage`.

Simulated studies (`tests/studies.py`) of 60 and 200 test images, without and with an effect of the draw of shots. "t
over folds" is Student's t over the accuracies of the folds, which takes folds that share their test images for
independent.
"""

import sys

from synthstudio.statistics import mean_over_draws
from tests.studies import accuracy, answers, coverage, difference, unpaired


def over_folds(images, draws, of_draws):
    """The interval that looks at the folds alone."""

    def study(random):
        after, before = answers(random, images, (draws, draws), of_draws)
        return mean_over_draws((after - before).mean(1)), 0.0

    return study


def main(repeats: int = 4000) -> None:
    """Print the table; each share is known to within 0.7 points."""
    print("| test images | spread of draws | folds | difference | t over folds | accuracy |")
    print("|---|---|---|---|---|---|")
    for images in (60, 200):
        for of_draws in (0.0, 0.3):
            for draws in (1, 2, 3, 5, 10):
                if draws == 1 and of_draws:
                    continue
                given = (images, draws, of_draws)
                alone = f"{coverage(over_folds(*given), repeats):.3f}" if draws > 1 else ""
                print(f"| {images} | {of_draws} | {draws} | {coverage(difference(*given), repeats):.3f} "
                      f"| {alone} | {coverage(accuracy(*given), repeats):.3f} |", flush=True)  # fmt: skip
    for of_draws in (0.0, 0.3):
        print(
            f"\nThree trainings against five draws, spread {of_draws}: {coverage(unpaired(100, of_draws), repeats):.3f}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
