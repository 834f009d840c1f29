"""Functions with torch's signature that build MindSpore's layers.

Where a class is handed on, or gets arguments that are not written out, whoever calls it uses
torch's names and defaults. A function that takes those takes its place then; what it returns is
written and proved by the rule, as any call is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from mapper.analysis.bind import BindError
from mapper.analysis.module import ParsedModule
from mapper.model.plan import ManualError
from mapper.model.record import record
from mapper.proving.request import DisprovedError
from mapper.rulebook.helpers import HELPERS, Helper
from mapper.rulebook.schema import Kind, ParameterSpec, Rule, Strategy
from mapper.running.calls import CallRewriter, Rewritten, Spelling

_LEFT = (BindError, ManualError, DisprovedError)
_PLACEMENT = ("device", "dtype")  # placement belongs to the context
_WIDTH = 96  # columns of inserted functions, which stand in files that mostly allow 100
_MODULES = {"mindspore.nn": "__nn__", "mindspore.ops": "__ops__", "mindspore": "__ms__"}


@record(frozen=True, slots=True)
class Adapter:
    """A function to insert, and how the one call in it was rewritten and proved."""

    helper: Helper
    done: Rewritten

    def check(self, call: ast.Call) -> None:
        """Refuse a call that gives what the function does not take.

        Raises:
            ManualError: it gives a parameter that was left out.
        """
        specs = self.helper.parameters
        names = {one.name for one in specs}
        places = [one for one in specs if not one.keyword_only]
        missing = [one.arg for one in call.keywords if one.arg and one.arg not in names]
        is_open = any(isinstance(one, ast.Starred) for one in call.args)
        if missing or (len(call.args) > len(places) and not is_open):
            what = f"`{missing[0]}`" if missing else f"more than {len(places)} arguments by place"
            raise ManualError(
                f"line {call.lineno} gives {what}, which no function takes over: write it by hand"
            )


class Adapters:
    """Makes the adapters of rules, each once."""

    def __init__(self, calls: CallRewriter, parse: Callable[[str], ParsedModule]) -> None:
        self._calls = calls
        self._parse = parse
        self._made: dict[str, Adapter | ManualError] = {}

    def of(self, rule: Rule) -> Adapter:
        """Return the adapter of a rule.

        Raises:
            ManualError: there is none that would be right for all that it takes.
        """
        if rule.id not in self._made:
            try:
                self._made[rule.id] = self._adapter(rule)
            except ManualError as error:
                self._made[rule.id] = error
        found = self._made[rule.id]
        if isinstance(found, ManualError):
            raise found
        return found

    def _adapter(self, rule: Rule) -> Adapter:
        if rule.kind not in (Kind.LAYER, Kind.FUNCTION) or not rule.torch.api:
            raise ManualError("there is no function for it that would take torch's arguments")
        words = ""
        for specs in choices(rule):
            try:
                done = self._rewritten(rule, specs)
                self._check_defaults(rule, specs, done)
            except _LEFT as error:
                words = words or str(error)
                continue
            return Adapter(_helper(rule, specs, done), done)
        raise ManualError(f"no function for it takes torch's arguments: {words}")

    def _rewritten(self, rule: Rule, specs: Sequence[ParameterSpec]) -> Rewritten:
        api = rule.torch.api
        taken = [replace(one, annotation=_kinds(rule, one)) for one in specs]
        source = f"import torch\ndef made({_signature(taken)}):\n    return {_call(api, specs)}\n"
        module = self._parse(source)
        call = next(node for node in ast.walk(module.tree) if isinstance(node, ast.Call))
        scope = module.names.scopes.around(call)
        done = self._calls.rewrite(module, call, scope, rule, Spelling(_written, _read))
        looked_up = [one.name for one in specs if f"[{one.name}]" in done.text]
        if looked_up:
            raise ManualError(f"`{looked_up[0]}` decides how it is written")
        if any(name in HELPERS for name in done.spelled):
            raise ManualError("it needs more than one layer of MindSpore's")
        return done

    def _check_defaults(self, rule: Rule, specs: Sequence[ParameterSpec], done: Rewritten) -> None:
        """Hold the adapter that is given no more than it must be to torch's own defaults."""
        required = [one for one in specs if one.required]
        before = ast.parse(_call(rule.torch.api, required), mode="eval").body
        after = _Defaults(specs).visit(ast.parse(f"({done.text}\n)", mode="eval").body)
        self._calls.prove(rule, before, ast.unparse(after), Spelling(_written, _read))


def choices(rule: Rule) -> Iterable[list[ParameterSpec]]:
    """Yield the parameters that an adapter may have, most first."""
    every = [
        one
        for one in rule.torch.parameters
        if not one.variadic and one.name not in _PLACEMENT and not one.default_code
    ]
    if rule.kind is Kind.FUNCTION:
        every = [one for one in every if one.name != "inplace"]
    refused = {
        name
        for refusal in rule.manual
        for name in refusal.when.names()
        if name in rule.drop  # what is dropped is not in the text to be proved
    }
    fewer = [one for one in every if one.required or one.name not in refused]
    plain = [one for one in fewer if one.required or "mode" not in one.name]
    known = [one for one in plain if one.required or not one.default_none]
    seen = list[list[ParameterSpec]]()
    for choice in (every, fewer, plain, known):
        if choice not in seen:
            seen.append(choice)
            yield _by_keyword(rule, choice)


def _by_keyword(rule: Rule, choice: Sequence[ParameterSpec]) -> list[ParameterSpec]:
    """Return parameters of which those behind a missing one are taken by their names alone."""
    found, is_gap = list[ParameterSpec](), False
    for one in rule.torch.parameters:
        is_gap = is_gap or one not in choice
        if one in choice:
            found.append(replace(one, keyword_only=True) if is_gap else one)
    return found


def _signature(specs: Iterable[ParameterSpec]) -> str:
    return ", ".join(_parameters(specs))


def _parameters(specs: Iterable[ParameterSpec]) -> list[str]:
    texts, is_after_star = list[str](), False
    for one in specs:
        if one.keyword_only and not is_after_star:
            texts.append("*")
            is_after_star = True
        name = f"{one.name}: {one.annotation}" if one.annotation else one.name
        texts.append(name if one.required else f"{name}={one.default_text}")
    return texts


def _kinds(rule: Rule, parameter: ParameterSpec) -> str:
    """Return what a parameter takes that is not written as it is in MindSpore for all of it.

    A convolution's padding is a number for each axis in torch, and one for each side in MindSpore.
    """
    if rule.strategy is Strategy.CONV and parameter.name == "padding" and rule.torch.rank != 1:
        return f"int | tuple[{', '.join(['int'] * rule.torch.rank)}]"
    return ""


def _call(api: str, specs: Iterable[ParameterSpec]) -> str:
    given = [f"{one.name}={one.name}" if one.keyword_only else one.name for one in specs]
    return f"{api}({', '.join(given)})"


class _Defaults(ast.NodeTransformer):
    """Puts the defaults of parameters in the place of their names."""

    def __init__(self, specs: Iterable[ParameterSpec]) -> None:
        self._texts = {one.name: one.default_text for one in specs if not one.required}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Exchange a name."""
        text = self._texts.get(node.id)
        return node if text is None else ast.parse(text, mode="eval").body


def _written(api: str) -> str:
    """Return how a MindSpore name is written until the file that gets it is known."""
    for module, mark in _MODULES.items():
        if api.startswith(module + "."):
            return mark + api[len(module) :]
    return api


def _read(node: ast.expr) -> str | None:
    """Return what a name stands for that `_written` wrote, or torch's own."""
    text = ast.unparse(node)
    root, _, rest = text.partition(".")
    for module, mark in _MODULES.items():
        if root == mark:
            return f"{module}.{rest}" if rest else module
    return text if text.startswith("torch.") else None


def _helper(rule: Rule, specs: Sequence[ParameterSpec], done: Rewritten) -> Helper:
    last = rule.torch.api.rpartition(".")[2]
    is_layer = rule.kind is Kind.LAYER
    name = f"Torch{last}" if is_layer else f"pt_{last}"
    body = done.text.replace("{", "{{").replace("}", "}}")
    for mark in _MODULES.values():
        body = body.replace(mark, "{" + mark.strip("_") + "}")
    bare = [replace(one, annotation="") for one in specs]
    head = _filled("def {name}(", _parameters(bare), "):", "", len(name) - len("{name}"))
    target = rule.mindspore.api.removeprefix("mindspore.")
    said = f"{target} for a caller that uses PyTorch's arguments" if target else "As in PyTorch"
    lines = [head, f'    """{said}."""', *_returned(body)]
    modules = [m for m, mark in _MODULES.items() if mark in done.text]
    return Helper(name, "\n".join(lines) + "\n", tuple(specs), tuple(modules))


def _returned(body: str) -> list[str]:
    """Return the statement that returns an expression, on several lines where it is long."""
    line = f"    return {body}"
    if len(line) <= _WIDTH:
        return [line]
    tree = ast.parse(f"({body.replace('{', '_').replace('}', '_')}\n)", mode="eval").body
    if not isinstance(tree, ast.Call) or not body.endswith(")"):
        return [line]
    parts: list[ast.expr | ast.keyword] = [*tree.args, *tree.keywords]
    offsets = [part.col_offset - 1 for part in parts]
    ends = [*(offset for offset in offsets[1:]), len(body) - 1]
    texts = [body[start:end].rstrip(", ") for start, end in zip(offsets, ends, strict=True)]
    texts = [_over_lines(*one, body) for one in zip(texts, parts, strict=True)]
    return _filled(f"    return {body[: offsets[0]]}", texts, ")", "    ").split("\n")


def _over_lines(text: str, part: ast.expr | ast.keyword, body: str) -> str:
    """Return an argument over several lines where it is a condition that does not fit on one."""
    if len(text) + 8 <= _WIDTH:
        return text
    match part:
        case ast.keyword(arg=str(name), value=ast.IfExp() as value):
            whole, first, test, other = (
                body[one.col_offset - 1 : (one.end_col_offset or 0) - 1]
                for one in (value, value.body, value.test, value.orelse)
            )
            if whole == f"{first} if {test} else {other}":  # no parentheses around a part
                lines = [f"{name}=(", f"    {first}", f"    if {test}", f"    else {other}", ")"]
                return "\n        ".join(lines)
    return text


def _filled(head: str, texts: Sequence[str], tail: str, indent: str, longer: int = 0) -> str:
    """Return a call or a signature, filled over lines where it does not fit on one."""
    one = f"{head}{', '.join(texts)}{tail}"
    if len(one) + longer <= _WIDTH:
        return one
    lines, current = [head], f"{indent}    "
    for text in texts:
        is_long = "\n" in text or len(current) + len(text) + 2 > _WIDTH
        if is_long and current.strip():
            lines.append(current.rstrip())
            current = f"{indent}    "
        current += f"{text}, "
    return "\n".join([*lines, current.rstrip().rstrip(",") + ",", f"{indent}{tail}"])
