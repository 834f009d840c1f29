"""Finds the layer that differs first, from what both programs recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mapper.comparing.measure import Array, difference, scale_of
from mapper.comparing.results import Call, Culprit, Difference, Failure, Finding, Kind, Run
from mapper.weights.exact import moved
from mapper.weights.namemap import NameMap, Trouble
from mapper.weights.networks import Network, collisions

EVALUATION = 1e-5  # of the largest value, for float32
TRAINING = 1e-4  # a batch's statistics are sums over it, and gradients pass every layer twice
STATISTIC = 0.01  # a layer's statistics are measured by this part of the network's largest at least

Allowed = Mapping[tuple[Kind, str], float]
"""How far a value may be apart, if more than the tolerance: by kind, and an output's place or a
parameter's name in torch.
"""


def tolerance_of(given: float | None, train: bool) -> float:
    """Return what is allowed, in parts of the largest value."""
    if given is not None:
        return given
    return TRAINING if train else EVALUATION


@dataclass(frozen=True, slots=True)
class Record:
    """The answer of one program to `run`, and the directory of the arrays that it names.

    `is_exact`: it was computed in float64, so dtypes are not compared.
    """

    directory: Path
    answer: Mapping[str, Any]
    is_exact: bool = False

    def array(self, file: str) -> Array:
        """Return one array, mapped into memory."""
        loaded: Array = np.load(self.directory / file, allow_pickle=False, mmap_mode="r")
        return loaded


@dataclass(frozen=True)
class Models:
    """Both models, the map of their parameters, and the paths of layers that moved."""

    torch: Network
    mindspore: Network
    names: NameMap
    paths: Mapping[str, str] = field(default_factory=dict)

    def moved(self, path: str) -> str:
        """Return the path in MindSpore's model of a layer of torch's."""
        return moved(path, self.torch, self.paths)

    @cached_property
    def _back(self) -> Mapping[str, str]:
        return {self.moved(layer.path): layer.path for layer in self.torch.layers}

    def near(self, path: str) -> str:
        """Return the layer of torch's at a path in MindSpore's model, or the nearest above it.

        MindSpore's model has layers more: a convolution may have become a `SequentialCell`.
        """
        while path and path not in self._back:
            path = path.rpartition(".")[0]
        return self._back.get(path, path)


class Judge:
    """Compares two records of one run; one judge serves several pairs of them."""

    def __init__(self, models: Models, mode: str, train: bool, tolerance: float | None) -> None:
        self.models, self.mode, self.train = models, mode, train
        self.tolerance = tolerance_of(tolerance, train)
        self.findings: list[Finding] = []
        self.allowed: Allowed = {}

    def run(
        self, torch: Record, mindspore: Record | Failure, allowed: Allowed | None = None
    ) -> Run:
        """Return the run with its findings and the first layer that differs.

        `allowed`: values that may be farther apart than the tolerance.
        """
        self.allowed = allowed or {}
        self.findings = [*self._weights(), *self._names()]
        run = Run(self.mode, self.train, self.tolerance)
        if isinstance(mindspore, Failure):
            first = self._culprit_of_findings(torch)
            return replace(run, findings=tuple(self.findings), failure=mindspore, first=first)
        self.findings += self._modes(torch, mindspore)
        self.findings += self._rates(torch, mindspore)
        walk = _Walk(self, torch, mindspore)
        calls = walk.calls()
        if raised := mindspore.answer.get("failure"):
            failure = Failure("MindSpore", raised["message"], tuple(raised["traceback"]))
            failed = Finding(Kind.FAILURE, self.models.near(raised["path"]), failure.message)
            first = walk.first or self.culprit(failed.path, [failed])
            return replace(run, calls=tuple(calls), findings=tuple(self.findings), first=first,
                           failure=failure)  # fmt: skip
        outputs = self._outputs(torch, mindspore)
        statistics = self._statistics(torch, mindspore)
        gradients = self._gradients(torch, mindspore)
        first = walk.first or self._culprit_of_findings(torch)
        return replace(
            run,
            calls=tuple(calls),
            outputs=outputs,
            statistics=statistics,
            gradients=gradients,
            findings=tuple(self.findings),
            first=first,
            notes=self._notes(torch, mindspore),
            losses=(torch.answer["loss"], mindspore.answer["loss"]) if self.train else None,
        )

    # --- what is known without values ---

    def _weights(self) -> list[Finding]:
        """Return the parameters that have no counterpart, each at the layer that holds it."""
        found = []
        for one in self.models.names.problems:
            owner = one.name.rpartition(".")[0]
            path = self.models.near(owner) if one.trouble is Trouble.EXTRA else owner
            found.append(Finding(Kind.WEIGHTS, path, str(one)))
        return found

    def _names(self) -> list[Finding]:
        """Return the parameters of MindSpore's model that have the same name."""
        found = []
        for name, places in collisions(self.models.mindspore.entries).items():
            message = (
                f"{' and '.join(places)} call themselves {name!r}: a checkpoint keeps one of them, "
                "and GRAPH_MODE and optimizers refuse both"
            )
            for one in places:
                path = self.models.near(one.rpartition(".")[0])
                found.append(Finding(Kind.NAME, path, message))
        return found

    def _modes(self, torch: Record, mindspore: Record) -> list[Finding]:
        """Return the layers that are in training on one side and in evaluation on the other."""
        words = {True: "training", False: "evaluation"}
        there = mindspore.answer["modes"]
        found = []
        for path, mode in torch.answer["modes"].items():
            other = there.get(self.models.moved(path), mode)
            if other != mode:
                message = f"in {words[mode]} in torch, in {words[other]} in MindSpore"
                found.append(Finding(Kind.MODE, path, message))
        paths = {one.path for one in found}
        # where a layer has the wrong mode, the layers in it have it, too: it alone is reported
        return [one for one in found if not one.path or one.path.rpartition(".")[0] not in paths]

    def _rates(self, torch: Record, mindspore: Record) -> list[Finding]:
        """Return the dropout layers that would drop another share of the values."""
        there = mindspore.answer["rates"]
        found = []
        for path, rate in torch.answer["rates"].items():
            other = there.get(self.models.moved(path), rate)
            if abs(other - rate) > 1e-6:
                message = f"drops {rate:g} of the values in torch, {other:g} in MindSpore"
                found.append(Finding(Kind.RATE, path, message))
        return found

    # --- values that belong to no single call ---

    def _limit(self, kind: Kind, name: str) -> float:
        return max(self.tolerance, self.allowed.get((kind, name), 0.0))

    def _outputs(self, torch: Record, mindspore: Record) -> tuple[Difference, ...]:
        both, message = _paired(torch, mindspore, torch.answer["outputs"],
                                mindspore.answer["outputs"])  # fmt: skip
        if message:
            self.findings.append(Finding(Kind.OUTPUT, "", message))
        for one in both:
            if one.exceeds(self._limit(Kind.OUTPUT, one.at)):
                self.findings.append(Finding(Kind.OUTPUT, "", f"the output{one.at} {one}", one))
        return both

    def _named(self, torch: Record, mindspore: Record, what: str) -> list[tuple[str, Array, Array]]:
        """Return statistics or gradients that both sides have: torch's name, and both arrays.

        torch's array gets MindSpore's shape (1-d convolutions have an axis more there).
        """
        here, there = torch.answer.get(what, {}), mindspore.answer.get(what, {})
        found = []
        for name, file in here.items():
            pair = self.models.names.to_mindspore().get(name)
            if pair is not None and pair.mindspore in there:
                value = torch.array(file)
                if pair.axis is not None:
                    value = np.expand_dims(value, pair.axis)
                found.append((name, value, mindspore.array(there[pair.mindspore])))
        return found

    def _statistics(self, torch: Record, mindspore: Record) -> tuple[tuple[str, Difference], ...]:
        both = self._named(torch, mindspore, "statistics")
        scales = scales_of_statistics({name: value for name, value, _ in both})
        found = []
        for name, value, other in both:
            path, _, last = name.rpartition(".")
            apart = difference(value, other, scales[name], _dtypes(torch, value, other))
            found.append((name, apart))
            if apart.exceeds(self._limit(Kind.STATISTICS, name)):
                message = f"{last} after a step {apart}"
                self.findings.append(Finding(Kind.STATISTICS, path, message, apart))
        return tuple(found)

    def _gradients(self, torch: Record, mindspore: Record) -> tuple[tuple[str, Difference], ...]:
        both = self._named(torch, mindspore, "gradients")
        scales = scales_of_gradients({name: value for name, value, _ in both})
        found = []
        for name, value, other in both:
            apart = difference(value, other, scales[name], _dtypes(torch, value, other))
            found.append((name, apart))
            if apart.exceeds(self._limit(Kind.GRADIENT, name)):
                path, _, last = name.rpartition(".")
                message = f"the gradient of {last} {apart}"
                self.findings.append(Finding(Kind.GRADIENT, path, message, apart))
        self._untrained(torch, mindspore)
        return tuple(found)

    def _untrained(self, torch: Record, mindspore: Record) -> None:
        """Note the parameters that have a gradient on one side alone."""
        here, there = torch.answer.get("gradients", {}), mindspore.answer.get("gradients", {})
        for name, pair in self.models.names.to_mindspore().items():
            if (name in here) != (pair.mindspore in there) and self._is_first(pair.mindspore):
                side = "torch" if name in here else "MindSpore"
                path, _, last = name.rpartition(".")
                message = f"{last} is trained in {side} alone"
                self.findings.append(Finding(Kind.GRADIENT, path, message))

    def _is_first(self, name: str) -> bool:
        """Say whether this is the first of a shared parameter's names, under which it is listed."""
        known = self.models.mindspore.entry
        same = (n for n, one in known.items() if one.identity == known[name].identity)
        return not known[name].identity or next(same) == name

    # --- the verdict ---

    def _culprit_of_findings(self, torch: Record) -> Culprit | None:
        """Return the layer to blame for the findings, where the values of no call differ.

        That is the first layer in the order of execution; among gradients, which are computed from
        the last layer back to the first, it is the last one.
        """
        order = self._order(torch)
        forward = [one for one in self.findings if one.kind is not Kind.GRADIENT]
        if forward:
            first = min(forward, key=lambda one: order.get(one.path, len(order)))
            return self.culprit(first.path)
        if self.findings:
            last = max(self.findings, key=lambda one: order.get(one.path, -1))
            return self.culprit(last.path)
        return None

    def _order(self, torch: Record) -> dict[str, int]:
        """Return each layer's place in the order in which calls end.

        Without recorded calls (GRAPH_MODE) it is the order in which the model lists its layers.
        """
        order: dict[str, int] = {}
        for event in torch.answer["events"]:
            if event["event"] == "out":
                order.setdefault(event["path"], len(order))
        if not order:
            order = {layer.path: place for place, layer in enumerate(self.models.torch.layers[1:])}
            order[""] = len(order)
        return order

    def culprit(
        self, path: str, more: Iterable[Finding] = (), before: str | None = None
    ) -> Culprit:
        """Return a layer as the one to blame, with all its findings and `more`."""
        here = self.models.torch.layer.get(path)
        there = self.models.mindspore.layer.get(self.models.moved(path))
        mine = (one for one in self.findings if one.path == path)
        return Culprit(
            path,
            here.cls if here else there.cls if there else "",
            here.source if here else None,
            there.cls if there else None,
            there.source if there else None,
            (*more, *mine),
            before,
        )

    def _notes(self, torch: Record, mindspore: Record) -> tuple[str, ...]:
        draws, there = torch.answer["draws"], mindspore.answer["draws"]
        notes = []
        if other := sorted({name[:-1] for name in draws if name.endswith("!")}):
            notes.append(f"torch draws by {', '.join(other)}: MindSpore cannot be given the same")
        fed = [name for name in draws if not name.endswith("!")]
        if fed and self.mode == "graph":
            notes.append("random numbers cannot be given to a model in GRAPH_MODE")
        elif len(fed) != len(there):
            notes.append(f"torch draws {len(fed)} times, MindSpore {len(there)} times")
        return tuple(notes)


def scales_of_statistics(values: Mapping[str, Array]) -> dict[str, float]:
    """Return the scale of each statistic: its largest value, or a part of the network's largest.

    A statistic that is nearly zero would make rounding look like a difference.
    """
    own = {name: scale_of(value) for name, value in values.items()}
    largest: dict[str, float] = {}
    for name, scale in own.items():
        last = name.rpartition(".")[2]
        largest[last] = max(largest.get(last, 0.0), scale)
    return {
        name: max(scale, STATISTIC * largest[name.rpartition(".")[2]])
        for name, scale in own.items()
    }


def scales_of_gradients(values: Mapping[str, Array]) -> dict[str, float]:
    """Return the scale of each gradient: the largest gradient in the network."""
    largest = max(map(scale_of, values.values()), default=0.0)
    return dict.fromkeys(values, largest)


def _dtypes(torch: Record, value: Array, other: Array) -> tuple[str, str]:
    """Return the dtypes to compare; of a run in float64, MindSpore's stand for both."""
    own = other if torch.is_exact else value
    return str(own.dtype), str(other.dtype)


def _paired(
    torch: Record,
    mindspore: Record,
    here: Sequence[Mapping[str, Any]],
    there: Sequence[Mapping[str, Any]],
) -> tuple[tuple[Difference, ...], str]:
    """Return the differences of values at the same places, and a message for other differences.

    The message says which place one side lacks, or which plain numbers differ.
    """
    others = {one["at"]: one for one in there}
    found = []
    message = ""
    for one in here:
        other = others.pop(one["at"], None)
        if other is None:
            message = message or f"the value at {one['at'] or 'the top'} is missing in MindSpore"
        elif "file" in one and "file" in other:
            arrays = torch.array(one["file"]), mindspore.array(other["file"])
            dtypes = other["dtype"] if torch.is_exact else one["dtype"], other["dtype"]
            found.append(difference(*arrays, dtypes=dtypes, at=one["at"]))
        elif one.get("value") != other.get("value"):
            words = (str(side.get("value", "a tensor")) for side in (one, other))
            message = message or "is {} in torch, {} in MindSpore".format(*words)
    if others and not message:
        message = f"the value at {next(iter(others)) or 'the top'} is missing in torch"
    return tuple(found), message


class _Walk:
    """Goes through torch's calls in their order, and finds the first whose values differ."""

    def __init__(self, judge: Judge, torch: Record, mindspore: Record) -> None:
        self.judge, self.torch, self.mindspore = judge, torch, mindspore
        self.models = judge.models
        events = mindspore.answer["events"]
        self.there = {(one["event"], one["path"], one["call"]): i for i, one in enumerate(events)}
        self.events = events
        self.first: Culprit | None = None
        # since values last agreed: the layer that ran in torch alone, if one did
        self._alone: str | None = None
        self._reached = 0  # index of MindSpore's last event that torch has, too

    def calls(self) -> list[Call]:
        """Return the calls of torch's layers; `first` is then the layer that differs first."""
        if self.judge.mode == "graph":
            return []
        found = []
        running: list[str] = []
        for event in self.torch.answer["events"]:
            path = event["path"]
            place = self.there.get((event["event"], self.models.moved(path), event["call"]))
            other = None if place is None else self.events[place]
            if event["event"] == "in":
                self._judge(event, other, running[-1] if running else "", path)
                running.append(path)
            else:
                while running.pop() != path:  # a call that raised and was caught has no end
                    pass
                outputs = self._judge(event, other, path, None)
                found.append(self._call(event, other, outputs))
            if place is not None:
                self._reached = max(self._reached, place)
        return found

    def _judge(
        self,
        event: Mapping[str, Any],
        other: Mapping[str, Any] | None,
        path: str,
        before: str | None,
    ) -> tuple[Difference, ...]:
        """Return the differences of one event's values, and note the first layer that differs.

        `path` is the layer whose code computed them: of an output the layer itself, of an input
        (`before` is the layer that gets it) the layer around it.
        """
        known = [one for one in self.judge.findings if one.path == event["path"]]
        if before is not None:
            known = [one for one in known if one.kind is Kind.MODE]
        if self.first is None and known and (other is None or before is not None):
            self.first = self.judge.culprit(event["path"])
        if other is None:
            if before is None:
                self._alone = path
            return ()
        both, message = _paired(self.torch, self.mindspore, event["values"], other["values"])
        if before is not None:
            message = ""  # arguments may be passed in another form
        worst = [one for one in both if one.exceeds(self.judge.tolerance)]
        if self.first is None and (worst or message or known):
            self.first = self._culprit(path, before, worst, message)
        if both and not worst:
            self._alone = None
        return both

    def _culprit(
        self, path: str, before: str | None, worst: Sequence[Difference], message: str
    ) -> Culprit:
        kind = Kind.OUTPUT if before is None else Kind.INPUT
        said = "the output" if before is None else f"the input of {before}"
        more = [Finding(kind, path, f"{said}{one.at} {one}", one) for one in worst]
        more += [Finding(kind, path, f"{said} {message}")] if message else []
        single = self._alone or (self._only_in_mindspore(path, before) if worst else None)
        if worst and single is not None:
            side = "torch" if self._alone else "MindSpore"
            ran = Finding(kind, single, f"is called in {side} alone")
            return self.judge.culprit(single, [ran, *more])
        return self.judge.culprit(path, more, before)

    def _only_in_mindspore(self, path: str, before: str | None) -> str | None:
        """Return a layer that MindSpore alone has called since values last agreed.

        A layer inside one that has no layers in torch was put there by the migration, and is not
        meant.
        """
        event = ("out", path) if before is None else ("in", before)
        ends = [i for (kind, p, _), i in self.there.items() if (kind, p) == event]
        end = min((i for i in ends if i >= self._reached), default=0)
        parents = {layer.path.rpartition(".")[0] for layer in self.models.torch.layers}
        for one in self.events[self._reached : end]:
            near = self.models.near(one["path"])
            alone = self.models.moved(near) != one["path"]
            if one["event"] == "out" and alone and near in parents:
                return str(one["path"])
        return None

    def _call(
        self,
        event: Mapping[str, Any],
        other: Mapping[str, Any] | None,
        outputs: tuple[Difference, ...],
    ) -> Call:
        layer = self.models.torch.layer[event["path"]]
        there = self.models.mindspore.layer.get(self.models.moved(event["path"]))
        return Call(
            layer.path,
            event["call"],
            layer.cls,
            layer.source,
            there.cls if there else None,
            there.source if there else None,
            outputs,
            self.judge.tolerance,
            other is not None,
        )
