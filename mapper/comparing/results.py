"""The result of a comparison: runs, calls of layers, differences, and the first layer to blame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mapper.weights.namemap import NameMap
from mapper.weights.networks import Shape


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two arrays are apart: `largest` and `mean` are in parts of `scale`.

    The scale is torch's largest value, if nothing else is said. `largest` is infinite where the
    shapes differ or only one side is finite.
    """

    largest: float
    mean: float
    scale: float
    torch_shape: Shape
    mindspore_shape: Shape
    torch_dtype: str
    mindspore_dtype: str
    at: str = ""
    """Which of several values, as an index: `[0]`, `['logits']`."""

    @property
    def same_kind(self) -> bool:
        """Say whether the dtypes are equal; int32 and int64 count as equal."""
        both = {self.torch_dtype, self.mindspore_dtype}
        return len(both) == 1 or both == {"int32", "int64"}

    def exceeds(self, tolerance: float) -> bool:
        """Say whether the two are not the same result."""
        return not self.largest <= tolerance or not self.same_kind

    def __str__(self) -> str:
        """Return the line that a person reads."""
        if self.torch_shape != self.mindspore_shape:
            return f"shape {self.torch_shape} in torch, {self.mindspore_shape} in MindSpore"
        if not self.same_kind:
            return f"{self.torch_dtype} in torch, {self.mindspore_dtype} in MindSpore"
        return f"differs by {self.largest:.1e} of the largest value ({self.mean:.1e} on average)"


class Kind(StrEnum):
    """What of a layer differs."""

    WEIGHTS = "weights"
    NAME = "name"
    MODE = "mode"
    RATE = "rate"
    INPUT = "input"
    OUTPUT = "output"
    STATISTICS = "statistics"
    GRADIENT = "gradient"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference at a layer."""

    kind: Kind
    path: str
    message: str
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a layer, in the order in which the calls end in torch."""

    path: str
    call: int
    cls: str
    source: str | None
    mindspore_cls: str | None
    mindspore_source: str | None
    outputs: tuple[Difference, ...]
    tolerance: float
    ran: bool
    """MindSpore's model calls it, too."""

    @property
    def worst(self) -> Difference | None:
        """Return the output that differs most."""
        return max(self.outputs, key=lambda one: one.largest, default=None)

    @property
    def agrees(self) -> bool:
        """Say whether all its outputs are within tolerance."""
        return not any(one.exceeds(self.tolerance) for one in self.outputs)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one framework did not run: the error, and its traceback in the user's code."""

    side: str
    message: str
    traceback: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the line that a person reads."""
        return f"{self.side}: {self.message}"


class SideError(Exception):
    """One framework does not run at all, so nothing can be compared."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Culprit:
    """The first layer that differs, in the order of execution, with all findings at it.

    `before`: where the code of this layer differs and no layer in it, the layer that is called
    next, whose input differs already.
    """

    path: str
    cls: str
    source: str | None
    mindspore_cls: str | None
    mindspore_source: str | None
    findings: tuple[Finding, ...]
    before: str | None = None

    def __str__(self) -> str:
        """Return the line that a person reads."""
        where = self.path or "the model itself"
        ahead = f", ahead of {self.before}" if self.before else ""
        seen = "; ".join(dict.fromkeys(one.message for one in self.findings))
        return f"{where} ({self.cls.rpartition('.')[2]}{ahead}): {seen}"


@dataclass(frozen=True, slots=True)
class Rounding:
    """The figures that show a difference beyond the tolerance to be the rounding of float32.

    `step`: how far one layer's output or a gradient is apart at most, where torch's layers start
    from MindSpore's values; None in GRAPH_MODE, where layers cannot be recorded.
    `apart`: how far MindSpore is from torch in float64 at most, and `own`: how far torch itself in
    float32 is, for the same value.
    """

    step: float | None
    apart: float
    own: float

    def __str__(self) -> str:
        """Return the line that a person reads."""
        words = (
            f"rounding: {self.apart:.1e} from torch in float64, "
            f"which torch in float32 misses by {self.own:.1e}"
        )
        if self.step is not None:
            words += f"; from MindSpore's own values, each step by at most {self.step:.1e}"
        return words


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of both models in one mode gave.

    `statistics` and `gradients` are by torch's names, their differences in parts of the largest of
    their kind in the network. `losses` are torch's and MindSpore's, of which these are the
    gradients: a random projection of the outputs, which tells no more than they do. With
    `rounding`, values beyond the tolerance are no difference. `notes` say what could not be
    compared.
    """

    mode: str
    train: bool
    tolerance: float
    calls: tuple[Call, ...] = ()
    outputs: tuple[Difference, ...] = ()
    statistics: tuple[tuple[str, Difference], ...] = ()
    gradients: tuple[tuple[str, Difference], ...] = ()
    findings: tuple[Finding, ...] = ()
    first: Culprit | None = None
    failure: Failure | None = None
    notes: tuple[str, ...] = ()
    rounding: Rounding | None = None
    losses: tuple[float, float] | None = None

    @property
    def agrees(self) -> bool:
        """Say whether nothing differs."""
        return self.first is None and self.failure is None


@dataclass(frozen=True, slots=True)
class Comparison:
    """All runs of one request, and the map by which the weights were moved."""

    names: NameMap
    runs: tuple[Run, ...]
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Say whether the two models are the same in all that was compared."""
        return all(run.agrees for run in self.runs)

    @property
    def first(self) -> Culprit | None:
        """Return the first layer that differs, in the first run in which one does."""
        return next((run.first for run in self.runs if run.first is not None), None)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Return why runs did not finish."""
        return tuple(run.failure for run in self.runs if run.failure is not None)
