"""What rejected images have in common: settings that rejects share and the rest does not, told only where chance would
hardly do it.

A rule is one condition on a setting (it is a value, or it is on one side of a bound), or two where both are clearly
needed. Each is tested by Fisher's exact test, one-sided, on the rejected images against the rest of those that somebody
looked at; half of 5 % is shared by all single conditions that could have been told, half by all pairs (Bonferroni), so
that in at most one of twenty reviews without any cause something is told. Told rules are taken away with their images,
and the others have to hold among what is left (sequential covering): a setting that only comes along with a cause is
not told beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synthstudio.statistics import fisher

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
ALPHA = 0.05
LEAST = 5  # rejects a rule is told of, and images it has to hold for to be tried
LIFT = 2.0  # so many times as common among the rejects as among the rest
MOST = 5  # rules that are told
_VALUES, _CUTS = 200, 20  # values of a setting that are tried, the most common ones; bounds of a number, at quantiles
_LEADING = 20  # conditions, the most telling, that are tried together with every other one
_KEPT, _SPARED = 0.8, 0.5  # of the better of its two, a pair keeps so many rejects and hits so much less of the rest


@dataclass(frozen=True)
class Column:
    """A setting of every image: codes of its values (`ordered` false), or numbers, NaN where it has none."""

    name: str
    values: NDArray[np.generic]
    ordered: bool = False


class Atom(NamedTuple):
    """A single condition. `beyond`: the closest number on the other side of a bound."""

    column: str
    op: Literal["is", "at_least", "at_most"]
    value: float | int
    beyond: float | None = None


@dataclass(frozen=True)
class Rule:
    """A condition or two, and how many of the rejects and of the rest share it. `same`: others that mean the very same
    images. `p` is corrected for all that was tried.
    """

    atoms: tuple[Atom, ...]
    hits: int
    rejected: int
    others: int
    rest: int
    p: float
    same: tuple[Atom, ...] = ()

    @property
    def share(self) -> float:
        """Which share of the rejects it covers."""
        return self.hits / self.rejected

    @property
    def rest_share(self) -> float:
        """Which share of the rest has it too."""
        return self.others / self.rest

    @property
    def telling(self) -> bool:
        """Whether it covers enough rejects, and is so much more common among them than among the rest."""
        return self.hits >= LEAST and self.share >= LIFT * self.rest_share


class _Binned(NamedTuple):
    """A column as bins: every condition on it is a range of them, so that all are counted in one pass."""

    codes: NDArray[np.int32]
    size: int
    atoms: list[Atom]
    low: NDArray[np.intp]
    high: NDArray[np.intp]

    def counts(self, places: NDArray[np.intp]) -> Counts:
        """How many of some images each condition holds for."""
        so_far = np.concatenate([[0], np.cumsum(np.bincount(self.codes[places], minlength=self.size))])
        return np.asarray(so_far[self.high] - so_far[self.low])


class _Table:
    """Every condition that could be told: chosen without a look at who was rejected."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = [_bounds(one) if one.ordered else _values(one) for one in columns]
        self.atoms = [atom for column in self.columns for atom in column.atoms]
        self.owners = np.repeat(np.arange(len(self.columns)), [len(column.atoms) for column in self.columns])

    def counts(self, places: NDArray[np.intp]) -> Counts:
        """How many of some images each condition holds for."""
        return np.concatenate([column.counts(places) for column in self.columns])

    def mask(self, row: int) -> Mask:
        """Which images a condition holds for."""
        owner = int(self.owners[row])
        column, own = self.columns[owner], row - int(np.searchsorted(self.owners, owner))
        return (column.codes >= column.low[own]) & (column.codes < column.high[own])


@dataclass(frozen=True)
class _Told:
    """Conditions by their rows in the table, and what they hold for of the images that were left."""

    rows: tuple[int, ...]
    hits: int
    having: int
    p: float


class _Looked(NamedTuple):
    """One look at the images that are left: which of the conditions may be told, and how telling each is."""

    table: _Table
    places: NDArray[np.intp]
    hit: NDArray[np.intp]
    rows: NDArray[np.intp]
    hits: Counts
    having: Counts
    ln_p: NDArray[np.float64]

    def fisher(self, hits: Counts, having: Counts) -> NDArray[np.float64]:
        """ln p of conditions over the images that are left."""
        return fisher(hits, having, len(self.hit), len(self.places))

    def telling(self, hits: Counts, having: Counts) -> Mask:
        """Whether conditions cover enough rejects, and are so much more common among them."""
        rest = max(1, len(self.places) - len(self.hit))
        return np.asarray((hits >= LEAST) & (hits / len(self.hit) >= LIFT * (having - hits) / rest))

    def rest_share(self, one: _Told) -> float:
        """Which share of what is left and not rejected a rule holds for."""
        return (one.having - one.hits) / (len(self.places) - len(self.hit))


def learn(rejected: Mask, columns: Sequence[Column]) -> list[Rule]:
    """Rules about rejected images, those first that cover most rejects, then those that the rest shares least.

    `rejected` says of every image that was looked at whether it was rejected; of columns that mean the same, the first
    is named.
    """
    if not columns or not LEAST <= rejected.sum() < len(rejected):
        return []
    table, left = _Table(columns), np.ones(len(rejected), np.bool_)
    found, closed = list[Rule](), set[int]()
    while len(found) < MOST and (one := _best(table, rejected, left, closed)) is not None:
        mask = np.logical_and.reduce([table.mask(row) for row in one.rows])
        found.append(_whole(table, one, mask, rejected))
        left &= ~mask
        # What a better bound of the same number would have covered is no cause of its own.
        closed |= {int(table.owners[row]) for row in one.rows if table.atoms[row].op != "is"}
    return sorted((one for one in found if one.telling), key=lambda one: (-one.hits, one.others))


def _values(column: Column) -> _Binned:
    """A bin for each of the most common values, and one for all others."""
    values, codes, counts = np.unique(column.values, return_inverse=True, return_counts=True)
    common = np.argsort(-counts, kind="stable")[:_VALUES]
    bins = np.full(len(values), len(common), np.int32)
    bins[common] = np.arange(len(common))
    atoms = [Atom(column.name, "is", value) for value in values[common].tolist()]
    low = np.arange(len(common))
    return _Binned(bins[codes], len(common) + 1, atoms, low, low + 1)


def _bounds(column: Column) -> _Binned:
    """Bins between bounds, in order; images without a number are in the last one."""
    numbers = column.values.astype(float)
    finite = np.sort(numbers[np.isfinite(numbers)])
    cuts = np.unique(finite[np.linspace(0, len(finite) - 1, _CUTS + 1).round().astype(int)]) if len(finite) else finite
    if len(found := np.unique(finite)) <= _CUTS:
        cuts = found
    codes = np.searchsorted(cuts, numbers, side="right").astype(np.int32)
    codes = np.where(np.isfinite(numbers), 2 * codes - np.isin(numbers, cuts), 2 * len(cuts) + 1).astype(np.int32)
    atoms, low, high = list[Atom](), list[int](), list[int]()
    for place, cut in enumerate(cuts.tolist()):
        at = 2 * place + 1  # the bin of the images that have this very number
        if cut > found[0]:
            atoms.append(Atom(column.name, "at_least", cut, float(found[np.searchsorted(found, cut) - 1])))
            low.append(at)
            high.append(2 * len(cuts) + 1)
        if cut < found[-1]:
            atoms.append(Atom(column.name, "at_most", cut, float(found[np.searchsorted(found, cut) + 1])))
            low.append(0)
            high.append(at + 1)
    return _Binned(codes, 2 * len(cuts) + 2, atoms, np.array(low, np.intp), np.array(high, np.intp))


def _best(table: _Table, rejected: Mask, left: Mask, closed: set[int]) -> _Told | None:
    """The rule that chance explains least among the images that are left; None if chance explains all."""
    places, hit = np.flatnonzero(left), np.flatnonzero(left & rejected)
    if not LEAST <= len(hit) < len(places):
        return None
    having, hits = table.counts(places), table.counts(hit)
    tried = (having >= LEAST) & (having < len(places)) & ~np.isin(table.owners, list(closed))
    rows = np.flatnonzero(tried)
    ln_p = fisher(hits[rows], having[rows], len(hit), len(places))
    looked = _Looked(table, places, hit, rows, hits[rows], having[rows], ln_p)
    one, two = _single(looked), _pair(looked)
    if one is None or two is None:
        return one or two
    better = two.hits >= _KEPT * one.hits and looked.rest_share(two) <= _SPARED * looked.rest_share(one)
    return two if better else one


def _single(looked: _Looked) -> _Told | None:
    """The single condition with the smallest p; of equal ones the first."""
    telling = np.flatnonzero(looked.telling(looked.hits, looked.having))
    if not len(telling):
        return None
    place = int(telling[np.argmin(np.round(looked.ln_p[telling], 9))])
    p = _corrected(looked.ln_p[place], len(looked.rows))
    return (
        _Told((int(looked.rows[place]),), int(looked.hits[place]), int(looked.having[place]), p) if p < ALPHA else None
    )


def _pair(looked: _Looked) -> _Told | None:
    """The best two conditions of which neither could be left out: they are tested against all images, and each within
    the other; the largest of the three p counts (an intersection–union test).
    """
    leading = np.argsort(looked.ln_p, kind="stable")[:_LEADING]
    both, hits = _together(looked, leading)
    owners = looked.table.owners[looked.rows]
    firsts, b = np.nonzero(looked.telling(hits, both) & (owners[leading][:, None] != owners))
    if not len(b):
        return None
    a, both, hits = leading[firsts], both[firsts, b], hits[firsts, b]
    ln_p = np.max([
        looked.fisher(hits, both),
        fisher(hits, both, looked.hits[a], looked.having[a]),
        fisher(hits, both, looked.hits[b], looked.having[b]),
    ], axis=0)  # fmt: skip
    place = int(np.argmin(ln_p))
    p = _corrected(ln_p[place], len(owners) * (len(owners) - 1) // 2)
    rows = tuple(sorted((int(looked.rows[a[place]]), int(looked.rows[b[place]]))))
    return _Told(rows, int(hits[place]), int(both[place]), p) if p < ALPHA else None


def _together(looked: _Looked, leading: NDArray[np.intp]) -> tuple[Counts, Counts]:
    """How many images, and how many rejects, each leading condition shares with every condition."""
    table, rows = looked.table, looked.rows
    found = np.zeros((2, len(leading), len(rows)), np.int64)
    for place, mask in enumerate(table.mask(int(rows[one])) for one in leading):
        found[0, place] = table.counts(looked.places[mask[looked.places]])[rows]
        found[1, place] = table.counts(looked.hit[mask[looked.hit]])[rows]
    return found[0], found[1]


def _corrected(ln_p: float, tried: int) -> float:
    return min(1.0, 2 * tried * math.exp(ln_p))


def _whole(table: _Table, told: _Told, mask: Mask, rejected: Mask) -> Rule:
    """A rule counted over all images, with the conditions that mean the same ones."""
    hits, having, rejects = int(mask[rejected].sum()), int(mask.sum()), int(rejected.sum())
    atoms, same = tuple(table.atoms[row] for row in told.rows), dict[str, Atom]()
    if len(atoms) == 1:
        for row in np.flatnonzero(table.counts(np.flatnonzero(mask)) == having).tolist():
            if table.atoms[row].column != atoms[0].column and int(table.mask(row).sum()) == having:
                same.setdefault(table.atoms[row].column, table.atoms[row])
    return Rule(atoms, hits, rejects, having - hits, len(rejected) - rejects, told.p, tuple(same.values()))
