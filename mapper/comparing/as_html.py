"""A comparison as one self-contained page: the network as a list, coloured by difference.

It runs no script, and a content policy that names its own style alone keeps it so.
"""

from __future__ import annotations

import math
import unicodedata
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

from mapper.comparing.as_text import beside, form, losses, title, verdict
from mapper.comparing.lines import Context, Line
from mapper.comparing.request import Request
from mapper.comparing.results import Call, Comparison, Culprit, Difference, Failure, Run

STYLE = Path(__file__).with_name("page.css")
STEPS = 5  # shades from no difference to the tolerance


def as_html(request: Request, result: Comparison, contexts: Sequence[Context] = ()) -> str:
    """Return the page (`contexts`: as for `as_text`)."""
    style = STYLE.read_text("utf-8")
    policy = f"default-src 'none'; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    known = [*contexts, *[Context()] * len(result.runs)]
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(f'tm2ms compare: {_headline(result)}')}</title>",
        f"<style>{style}</style></head><body><main>",
        f"<p class=brand>tm2ms compare <code>{_text(request.expression)}</code></p>",
        f"<h1>{_text(_headline(result))}</h1>",
        *_top(result, known),
        *_legend(),
        *(part for run, one in zip(result.runs, known, strict=False) for part in _run(run, one)),
        *_weights(result),
        *(f"<p class=note>{_text(note)}</p>" for note in result.notes),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    """Return a text for HTML, with control characters and marks of direction as escapes."""
    shown = (
        one if one.isprintable() or one == "\n" or unicodedata.category(one) == "Zs"
        else one.encode("unicode_escape").decode()
        for one in text.encode("utf-8", "backslashreplace").decode()
    )  # fmt: skip
    return escape("".join(shown))


def _headline(result: Comparison) -> str:
    return _said(result.first, next(iter(result.failures), None))


def _said(first: Culprit | None, failure: Failure | None) -> str:
    if first is not None:
        return f"first difference: {_named(first.path)}"
    return f"{failure.side} did not run" if failure else "both versions agree"


def _named(path: str) -> str:
    return path or "the model itself"


def _top(result: Comparison, contexts: Sequence[Context]) -> Iterator[str]:
    """Return the first difference of all runs, or that there is none."""
    for run, one in zip(result.runs, contexts, strict=False):
        if run.first is not None:
            yield f'<section class="card far"><p>in {_text(title(run))}</p>'
            yield from _culprit(run.first, one)
            yield "</section>"
            return
    if not result.failures:
        lines = (f"<p>{_text(title(run))}: {_text(verdict(run))}</p>" for run in result.runs)
        yield f'<section class="card fine">{"".join(lines)}</section>'


def _culprit(first: Culprit, context: Context) -> Iterator[str]:
    where = f", in its code ahead of the call of {first.before}" if first.before else ""
    said = _text(_class(first.cls) + where)
    yield f"<h2><code>{_text(_named(first.path))}</code> {said}</h2><ul>"
    for message in dict.fromkeys(one.message for one in first.findings):
        yield f"<li>{_text(message)}</li>"
    yield "</ul><dl>"
    yield from _place("torch", context.torch, first.source)
    yield from _place("MindSpore", context.mindspore, first.mindspore_source)
    if context.done:
        yield f"<dt>migration<dd><pre>{_text(chr(10).join(context.done))}</pre>"
    yield "</dl>"


def _place(side: str, line: Line | None, place: str | None) -> Iterator[str]:
    if place:
        code = f"<pre>{_text(line.text)}</pre>" if line and line.text else ""
        yield f"<dt>{side}<dd><code>{_text(line.place if line else place)}</code>{code}"


def _class(name: str) -> str:
    return name.rpartition(".")[2]


def _legend() -> Iterator[str]:
    shades = "".join(f'<i class="s{step}"></i>' for step in range(STEPS))
    yield f"<p class=legend>no difference {shades} tolerance <i class=far></i> beyond</p>"


def _run(run: Run, context: Context) -> Iterator[str]:
    state = "fine" if run.agrees else "far"
    said = verdict(run) if run.agrees else _said(run.first, run.failure)
    is_open = " open" if not run.agrees or run.calls else ""
    yield f"<details{is_open}><summary><b>{_text(title(run))}</b> "
    yield f"<span class={state}>{_text(said)}</span></summary>"
    if run.failure is not None:
        yield from _failure(run.failure)
    if run.calls:
        yield "<ol class=network>"
        yield from (_call(call, run.first) for call in run.calls)
        yield "</ol>"
    elif run.outputs:
        yield "<ol class=network>"
        yield from (_row(f"output{one.at}", "", one, run.tolerance, 0) for one in run.outputs)
        yield "</ol>"
    rows = list(beside(run))
    if rows:
        yield "<h3>after one step</h3>"
        if run.losses is not None:
            yield f"<p>{_text(losses(run.losses))}</p>"
        yield "<ol class=network>"
        yield from (_row(name, what, one, limit, 0) for name, what, one, limit in rows)
        yield "</ol>"
    yield from (f"<p class=note>{_text(note)}</p>" for note in run.notes)
    yield "</details>"


def _failure(failure: Failure) -> Iterator[str]:
    yield f"<p class=far>did not run: {_text(str(failure))}</p>"
    if failure.traceback:
        yield f"<pre>{_text(chr(10).join(failure.traceback))}</pre>"


def _call(call: Call, first: Culprit | None) -> str:
    depth = call.path.count(".") + bool(call.path)
    is_first = first is not None and first.path == call.path
    if call.worst is None:
        said = "" if call.ran else "not called in MindSpore"
        return _item("far" if said else "s0", call, depth, said, is_first)
    shade = _shade(call.worst, call.tolerance)
    return _item(shade, call, depth, _numbers(call.worst), is_first)


def _item(shade: str, call: Call, depth: int, said: str, is_first: bool) -> str:
    mark = "<b class=first>first difference</b>" if is_first else ""
    places = " → ".join(filter(None, (call.source, call.mindspore_source)))
    return (
        f'<li class="{shade} d{min(depth, 6)}"><span class=name><code>{_text(_named(call.path))}'
        f"</code> {_text(_class(call.cls))} {mark}<small>{_text(places)}</small></span>"
        f"<span class=number>{_text(said)}</span></li>"
    )


def _row(name: str, what: str, one: Difference, limit: float, depth: int) -> str:
    return (
        f'<li class="{_shade(one, limit)} d{depth}"><span class=name><code>{_text(name)}</code> '
        f"{what}</span><span class=number>{_text(_numbers(one))}</span></li>"
    )


def _shade(one: Difference, tolerance: float) -> str:
    """Return the colour of a difference: by its size, in powers of ten below the tolerance."""
    if one.exceeds(tolerance):
        return "far"
    if not one.largest or not tolerance:
        return "s0"
    below = -math.log10(one.largest / tolerance)
    return f"s{max(1, STEPS - 1 - int(below))}"


def _numbers(one: Difference) -> str:
    if one.torch_shape != one.mindspore_shape or not one.same_kind:
        return str(one)
    return f"{one.largest:.1e} ({one.mean:.1e} on average), {form(one)}"


def _weights(result: Comparison) -> Iterator[str]:
    names = result.names
    if names.problems:
        yield f"<h3>{len(names.problems)} names of weights without a counterpart</h3><ul>"
        yield from (f"<li>{_text(str(one))}</li>" for one in names.problems)
        yield "</ul>"
    yield f"<p class=note>{len(names.pairs)} weights moved by the map.</p>"
