"""Whether arms can tell the parameters of the choice model apart, and if not, which arm would.

The expected information I(ψ) of a design is scaled to a unit diagonal; its smallest eigenvalue over its largest says
how nearly some combination of parameters leaves every probability unchanged, and the eigenvector names them. A ratio
below 1e-10 is singular: no number of prompts helps. Then each of a few further arms is tried on the same information,
and the best ones that make it regular are named.

Known cases (THEORY 2.2): one belief for all rows; at most two samples where three types of free rates share one φ (with
payoffs two suffice, since compliers and refusers have one rate each); with κ unknown, beliefs 1 − β, β and at most ½;
goal guarding and rater pleasing without an arm that is rated but not trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from estimators.choice_likelihood import CONSTANT, ChoiceForm, Situations, expected_information
from estimators.count_cells import CountCells, count_cells

Floats = NDArray[np.float64]

_SINGULAR = 1e-10
_NO_MEND = "no single further arm mends it: take more samples of a prompt, or fewer types"
_TRIED_BELIEFS = np.round(np.arange(0.05, 1.0, 0.05), 2)


class IdentificationError(ValueError):
    """Arms that cannot tell parameters apart: one sentence with the parameters and an arm that would mend it."""


@dataclass(frozen=True, eq=False)
class Identification:
    """Rank and condition of an expected information.

    Attributes
    ----------
    rank, parameters : int
        Identified combinations of parameters, and parameters.
    condition : float
        Largest over smallest eigenvalue of the information with unit diagonal; infinite if singular.
    confused : tuple of str
        Parameters of the direction that is known least.
    """

    rank: int
    parameters: int
    condition: float
    confused: tuple[str, ...]

    @property
    def regular(self) -> bool:
        """Whether every parameter is identified."""
        return self.rank == self.parameters


def judge(information: Floats, names: tuple[str, ...]) -> Identification:
    """Rank, condition and least known direction of an information (P, P).

    Examples
    --------
    >>> judge(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 3.0]]), ("a", "b", "c"))
    Identification(rank=2, parameters=3, condition=inf, confused=('a', 'b'))
    """
    diagonal = np.diag(information)
    scale = np.where(diagonal > 1e-12 * max(diagonal.max(), 1e-300), diagonal, np.inf) ** -0.5
    values, axes = np.linalg.eigh(scale[:, None] * information * scale)
    small = values < _SINGULAR * values[-1]
    # Where several directions are blind, any basis of them is arbitrary: only their span means something.
    direction = np.linalg.norm(axes[:, small] if small.any() else axes[:, :1], axis=1)
    unknown = scale == 0.0  # no information at all
    confused = unknown if unknown.any() else direction > 0.1 * direction.max()
    return Identification(
        rank=int(np.sum(~small)),
        parameters=len(names),
        condition=float("inf") if small.any() else float(values[-1] / values[0]),
        confused=tuple(name for name, part in zip(names, confused) if part),
    )


def require_identified(form: ChoiceForm, situations: Situations, cells: CountCells) -> None:
    """Raise `IdentificationError` where this design cannot identify the model, at no parameters whatever.

    It is tried at three generic parameters, since a design may be blind at a single one by accident.
    """
    found = _best(form, situations, _shrunk(cells))
    if found.regular:
        return
    told = ", ".join(f"{b:g}" for b in np.unique(situations.belief[(cells.n > 0).any(axis=0)]))
    names = found.confused
    lost = (
        f"identify {names[0]}" if len(names) == 1 else f"tell {', '.join(names[:-1])} and {names[-1]} apart"
    )
    raise IdentificationError(
        f"samples of at most {int(cells.n.max())} a prompt at stated beliefs {told} do not {lost} "
        f"(rank {found.rank} of {found.parameters}); {mend(form, situations, cells) or _NO_MEND}"
    )


def mend(form: ChoiceForm, situations: Situations, cells: CountCells, at: Floats | None = None) -> str:
    """What would identify the model, tried in this order: samples, a belief, a rated-only arm, both of these.

    Parameters
    ----------
    at : (P,), optional
        Where to look; at generic parameters if left out.

    Returns
    -------
    str
        Empty where nothing that was tried helps.
    """
    design = _shrunk(cells)
    for more in (2, 3, 4, 5):
        if cells.n.max() < more and _best(form, situations, _with_samples(design, more), at).regular:
            return f"take at least {more} samples of a prompt in each context"
    beliefs, rated = _beliefs(situations), _rated(situations)
    if good := _regular(form, situations, design, beliefs, at):
        return f"add an arm with stated belief {good}"
    if good := _regular(form, situations, design, rated, at):
        return f"add an arm that is rated but not trained on, at stated belief {good}"
    both = {b: _joined(extra, *rated.values()) for b, extra in beliefs.items()}
    if good := _regular(form, situations, design, both, at):
        return f"add an arm that is rated but not trained on, and one with stated belief {good}"
    return ""


def _regular(
    form: ChoiceForm,
    situations: Situations,
    design: CountCells,
    tries: dict[float, Situations],
    at: Floats | None,
) -> str:
    """The best belief of the arms that make the design regular, and the best one unlike it; empty if none does."""
    known = {b: _best(*_extended(form, situations, design, extra), at) for b, extra in tries.items()}
    good = sorted((found.condition, b) for b, found in known.items() if found.regular)
    apart = [b for _, b in good if abs(b - good[0][1]) > 0.2]
    return " or ".join(f"{b:g}" for b in [b for _, b in good[:1]] + apart[:1])


def generic(form: ChoiceForm) -> Iterator[Floats]:
    """Three working parameters with nothing special about them; types of one kind differ."""
    for shift in (0.0, 0.13, -0.17):
        parts: list[float] = [0.3 * shift + 0.1 * j for j in range(1, len(form.types))]
        for j, kind in enumerate(form.types):
            away = shift + 0.17 * j
            if kind in CONSTANT:
                parts.append((2.4 + away) * (1.0 if kind == "complier" else -1.0))
            elif kind == "free":
                parts += [2.4 - 2.3 * j + 0.9 * (-1) ** (u + j) + away for u in range(form.situations)]
            else:
                parts += [np.log(5.0) + away, 0.37 + 0.5 * away, *[0.62 + away] * form.split]
        parts += [np.log(0.8) + shift] * form.sharpness + [np.log(15.0) + shift] * form.overdispersed
        yield np.array(parts)


def _best(
    form: ChoiceForm, situations: Situations, design: CountCells, at: Floats | None = None
) -> Identification:
    points = generic(form) if at is None else [at]
    found = [judge(expected_information(x, design, form, situations), form.names) for x in points]
    return max(found, key=lambda f: (f.rank, -f.condition))


def _shrunk(cells: CountCells) -> CountCells:
    """One prompt per design, with at most five samples a situation: what that identifies, more samples do too."""
    n = np.minimum(cells.design_n, 5 if (cells.design_n > 0).sum(axis=1).max() <= 3 else 3).astype(np.int64)
    return count_cells(n, np.zeros_like(n), np.zeros(n.shape[1]))


def _with_samples(design: CountCells, samples: int) -> CountCells:
    n = np.where(design.n > 0, samples, 0)
    return count_cells(n, np.zeros_like(n), np.zeros(n.shape[1]))


def _beliefs(situations: Situations) -> dict[float, Situations]:
    """Further arms at other beliefs, at the first situation's share of monitored conversations."""
    q = situations.monitoring[:1]
    new = [float(b) for b in _TRIED_BELIEFS if np.abs(situations.belief - b).min() > 0.02]
    return {b: Situations(np.array([b]), q, np.ones(1), np.ones(1)) for b in new}


def _rated(situations: Situations) -> dict[float, Situations]:
    """A further arm at the highest belief, rated if monitored but not trained on."""
    top = int(np.argmax(situations.belief))
    one = situations.belief[top : top + 1], situations.monitoring[top : top + 1], np.zeros(1), np.ones(1)
    return {float(situations.belief[top]): Situations(*one)}


def _joined(*parts: Situations) -> Situations:
    fields = ("belief", "monitoring", "goal", "rated")
    return Situations(*(np.concatenate([getattr(p, name) for p in parts]) for name in fields))


def _extended(
    form: ChoiceForm, situations: Situations, design: CountCells, extra: Situations
) -> tuple[ChoiceForm, Situations, CountCells]:
    """The design with an arm more for each prompt."""
    n = np.hstack([design.n, np.full((len(design.n), len(extra)), min(3, design.n.max()))])
    return (
        replace(form, situations=form.situations + len(extra)),
        _joined(situations, extra),
        count_cells(n, np.zeros_like(n), np.zeros(n.shape[1])),
    )
