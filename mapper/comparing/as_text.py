"""A comparison as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mapper.comparing.lines import Context
from mapper.comparing.results import Call, Comparison, Culprit, Difference, Run


def as_text(result: Comparison, contexts: Sequence[Context] = ()) -> str:
    """Return the tables of all runs, each with its verdict.

    `contexts` belong to the first differences of the runs, in the order of the runs.
    """
    known = [*contexts, *[Context()] * len(result.runs)]
    blocks = ["\n".join(_run(run, one)) for run, one in zip(result.runs, known, strict=False)]
    if result.notes:
        blocks.append("\n".join(f"note  {note}" for note in result.notes))
    return "\n\n".join(blocks)


def title(run: Run) -> str:
    """Return what was run, in words."""
    what = "one step in training" if run.train else "evaluation"
    return f"{what}, {'GRAPH_MODE' if run.mode == 'graph' else 'PyNative'}"


def verdict(run: Run) -> str:
    """Return in one line that both sides agree, and by how much they differ at most."""
    if run.rounding is not None:
        return f"agree up to {run.rounding}"
    worst = max((one.largest for one in run.outputs), default=0.0)
    return f"agree: the output differs by at most {worst:.1e} of its largest value"


def losses(both: tuple[float, float]) -> str:
    """Return in one line the number of which the gradients are."""
    return f"loss (a random projection of the outputs): {both[0]:.7g} in torch, {both[1]:.7g}"


def form(one: Difference) -> str:
    """Return torch's shape and dtype as `--input` takes them; float32 goes without saying."""
    shape = ",".join(map(str, one.torch_shape))
    return shape if one.torch_dtype == "float32" else f"{shape}:{one.torch_dtype}"


def beside(run: Run) -> Iterator[tuple[str, str, Difference, float]]:
    """Return statistics and gradients: by name, of what kind, how far apart, what is allowed."""
    for name, one in run.statistics:
        yield name, "statistics", one, run.tolerance
    for name, one in run.gradients:
        yield name, "gradient", one, run.tolerance


def _run(run: Run, context: Context) -> Iterator[str]:
    yield title(run)
    rows = [_row(call) for call in run.calls]
    if not rows:
        rows = [("", f"output{one.at}", form(one), *_numbers(one), _ok(one, run.tolerance))
                for one in run.outputs]  # fmt: skip
    for name, what, one, limit in beside(run):
        rows.append((name, what, form(one), *_numbers(one), _ok(one, limit)))
    if run.rounding is not None:
        rows = [(*row[:-1], row[-1].replace("differs", "rounding")) for row in rows]
    if rows:
        yield from _table([("layer", "", "shape", "largest", "mean", ""), *rows])
    if run.losses is not None:
        yield losses(run.losses)
    if run.failure is not None:
        yield from (f"  {line}" for line in run.failure.traceback)
        yield f"did not run: {run.failure}"
    if run.first is not None:
        yield from _culprit(run.first, context)
    elif run.failure is None:
        yield verdict(run)
    yield from (f"note  {note}" for note in run.notes)


def _row(call: Call) -> tuple[str, ...]:
    name, cls = call.path or "(the model)", call.cls.rpartition(".")[2]
    worst = call.worst
    if worst is None:
        return name, cls, "", "", "", "" if call.ran else "not called in MindSpore"
    return name, cls, form(worst), *_numbers(worst), "" if call.agrees else _words(worst)


def _numbers(one: Difference) -> tuple[str, str]:
    return f"{one.largest:.1e}", f"{one.mean:.1e}"


def _ok(one: Difference, tolerance: float) -> str:
    return _words(one) if one.exceeds(tolerance) else ""


def _words(one: Difference) -> str:
    is_number = one.torch_shape == one.mindspore_shape and one.same_kind
    return "differs" if is_number else str(one)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _culprit(first: Culprit, context: Context) -> Iterator[str]:
    yield f"first difference: {first.path or '(the model)'}, {first.cls.rpartition('.')[2]}"
    if first.before is not None:
        yield f"  in its code ahead of the call of {first.before}"
    for message in dict.fromkeys(one.message for one in first.findings):
        yield f"  {message}"
    if first.source:
        yield f"  torch:     {context.torch or first.source}"
    if first.mindspore_source:
        yield f"  MindSpore: {context.mindspore or first.mindspore_source}"
    yield from (f"  migration: {line}" for line in context.done)
