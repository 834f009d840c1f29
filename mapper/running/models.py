"""Whole models: the scaffolding of classes, and which classes and functions migrate at all."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mapper.analysis.cells import Cells, ClassInfo
from mapper.analysis.find import OF_UNKNOWN, counts_statistics, find_methods
from mapper.analysis.half_bound import half_bound
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import NUMBERS, WEIGHT_NORMED, Kind
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import Scope
from mapper.analysis.torch_names import is_torch
from mapper.model.results import Status
from mapper.planning.forms.class_checks import ClassChecks
from mapper.planning.forms.computed_weights import find_lost
from mapper.planning.forms.container_checks import of_containers
from mapper.planning.forms.in_place_checks import InPlaceChecks
from mapper.planning.forms.module_dicts import MODULE_DICT, needs_own
from mapper.planning.forms.scaffold import ModuleClass, find_classes, name_of
from mapper.planning.forms.set_methods import of_set_methods
from mapper.planning.forms.training import find_constructions
from mapper.planning.forms.type_test import is_compared, is_type_test, tested_by
from mapper.planning.units import Hindrance, Unit, Units
from mapper.running.drafts import Draft, Drafter, Text
from mapper.running.einops import einops_drafts
from mapper.running.einsum import API, einsum_draft
from mapper.running.filled import FilledContainers
from mapper.running.in_place import InPlaceMethods
from mapper.running.integer_casts import stopped
from mapper.running.largest import part_draft
from mapper.running.links import Links, Use, find_links, find_uses
from mapper.running.no_grad import NoGradients
from mapper.running.quiet import find_quiet
from mapper.running.raising import Raising
from mapper.running.together import Outline
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.template import is_loose
from mapper.writing.whole_imports import WholeImports


class Models:
    """The drafts of a file whose classes and functions migrate as wholes.

    What stays torch's is decided together with other files of the project, from the `outline`.
    """

    def __init__(self, drafter: Drafter, references: Sequence[Reference]) -> None:
        module = drafter.module
        inference = Inference(module)
        classes = find_classes(module, references, [one.node for one in inference.classes])
        lost = dict(find_lost(module, inference))
        references = [one for one in references if not lost.keys() & set(one.parents)]
        if needs_own(module, references, inference):
            drafter.targets[MODULE_DICT] = "ModuleDict"
        no_gradients = NoGradients(drafter, inference)
        cut = {id(one): made for one in references if (made := no_gradients.drafts(one))}
        cut |= {id(one): [einsum_draft(drafter, one)] for one in references if one.api == API}
        parts = ((one, part_draft(drafter, one)) for one in references)
        cut |= {id(one): [draft] for one, draft in parts if draft is not None}
        drafts = drafter.drafts([one for one in references if id(one) not in cut])
        drafts.extend(draft for made in cut.values() for draft in made)
        drafts.extend(_lost(drafter, *one) for one in lost.items())
        for one in classes:
            drafts.extend(_forward(drafter, one))
        filled = FilledContainers(drafter, references, inference)
        in_place = InPlaceMethods(drafter, inference)
        drafts.extend(filled.drafts())
        for reference in find_methods(module, inference):
            if reference.parents[-1] in lost:
                continue
            if (part := part_draft(drafter, reference)) is not None:
                drafts.append(part)
            elif filled.handles(reference):
                drafts.extend(filled.stray(reference))
            elif (cast := _cast(module, reference, inference)) is not None:
                drafts.append(_casting(drafter, reference, *cast))
                stopped(drafts[-1])
            elif (changed := _changed_data(drafter, reference)) is not None:
                drafts.append(changed)
            elif counts_statistics(reference):
                drafts.append(_parameters(drafter, reference))
            elif drafter.is_in_place(reference):
                drafts.append(in_place.draft(reference))
            else:
                is_tied = _is_tied(reference, inference)
                drafts.append(drafter.method(reference, _like(reference, inference), is_tied))
                stopped(drafts[-1])
        for draft in drafts:
            if draft.is_written and (found := _built_elsewhere(draft.reference, inference)):
                draft.leave(
                    f"whose layer `{found}` is cannot be told, and it may stay torch's: test for "
                    "both frameworks' classes by hand"
                )
        drafts.extend(_augmented(drafter, inference))
        drafts.extend(einops_drafts(drafter))
        models = [one.node for one in classes]
        built = list(find_constructions(module, inference, models))
        drafts.extend(_trained(drafter, call, scope) for call, scope in built)
        self.drafts = sorted(drafts, key=lambda one: (one.node.lineno, one.node.col_offset))
        self._problems = list(_problems(module, classes, inference, filled.gathered))
        lines = {draft.node.lineno for draft in self.drafts}
        uses = find_uses(module)
        uses += [use for call, _ in built for use in _of_others(inference, call)]
        concerned = lines | {use.line for use in uses}
        ruled = (one for one in self.drafts if one.site.status is not Status.UNCOVERED)
        asking = {one.node.lineno for one in ruled if _asks(one.reference)}
        self._units = Units(module.tree, module.names.scopes, models, concerned, asking)
        quiet = find_quiet(module.tree, classes, drafter, self.drafts)
        options = drafter.options
        self._links = find_links(module, self._units, uses, lines, quiet, options)
        self._held = set[Draft]()
        self._raising = Raising(module, self._units) if options.partial else None
        inference.release()  # the drafts are kept, and may be those of a whole project

    @property
    def outline(self) -> Outline:
        """Return what decides, together with other files, what stays torch's in this one."""
        return Outline(self._units, list(self._hindrances()), self._links)

    def hold(self, stays: Mapping[Unit, Hindrance]) -> None:
        """Leave every site of the classes and functions that stay torch's, with the reason.

        In the others, what cannot be migrated raises, where that is asked for.
        """
        for draft in self.drafts:
            draft.restore()
            unit = self._units.at(draft.node.lineno)
            if unit is not None and unit in stays and draft.is_written:
                why = stays[unit]
                message = f"{unit.words} stays torch's: line {why.line}: {why.words}"
                draft.uncover(message) if why.is_uncovered else draft.leave(message)
                self._held.add(draft)
        if self._raising is not None:
            self._raising.put(self.drafts, stays)

    def _hindrances(self) -> Iterator[tuple[Unit, Hindrance]]:
        """Yield what of the file itself keeps a unit from migrating."""
        for draft in self.drafts:
            unit = self._units.at(draft.node.lineno)
            if unit is not None and not draft.is_written and draft not in self._held:
                yield unit, self._hindrance(draft)
        for line, words in self._problems:
            unit = self._units.at(line)
            if unit is not None:
                yield unit, Hindrance(line, words)

    def _hindrance(self, draft: Draft) -> Hindrance:
        site = draft.site
        words = f"`{site.before}`: {site.message}" if len(site.before) < 60 else site.message
        can_raise = False
        if self._raising is not None:
            why_not = self._raising.why_not(draft)
            can_raise = not why_not
            words += f" (and it cannot raise: {why_not})" if why_not else ""
        line, is_uncovered = draft.node.lineno, site.status is Status.UNCOVERED
        return Hindrance(line, words, is_uncovered, can_raise)


def _built_elsewhere(reference: Reference, inference: Inference) -> str | None:
    """Return what a type test asks about, where only other files know what made it."""
    tested = tested_by(reference)
    value = tested
    if isinstance(tested, ast.Name):
        found = reference.scope.lookup(tested.id)
        value = found[1][0].value if found is not None and len(found[1]) == 1 else None
    if tested is None or not isinstance(value, ast.Call):
        return None
    if inference.kind(value).is_known and not _is_taken_out(value.func, reference.scope):
        return None
    return ast.unparse(tested)[:60]


def _is_taken_out(function: ast.expr, scope: Scope) -> bool:
    """Say whether a name holds what a call gives: `C = getattr(lib, "C")`, torch's or not."""
    found = scope.lookup(function.id) if isinstance(function, ast.Name) else None
    return found is not None and any(isinstance(one.value, ast.Call) for one in found[1])


def _problems(
    module: ParsedModule,
    classes: Sequence[ModuleClass],
    inference: Inference,
    gathered: Collection[ast.Call],
) -> Iterator[tuple[int, str]]:
    """Yield what would be silently different: in classes, and in functions of the file."""
    checks = ClassChecks(inference)
    for one in classes:
        yield from one.problems
        yield from checks.of_class(one)
    models = [one.node for one in classes]
    yield from of_set_methods(module, models)
    yield from InPlaceChecks(module, inference, models).problems()
    yield from of_containers(module.tree, inference, gathered)


_OPERATORS: Mapping[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
}  # fmt: skip


def _augmented(drafter: Drafter, inference: Inference) -> Iterator[Draft]:
    """Yield the drafts of `x += y` on Tensors, which become plain assignments.

    In graph mode MindSpore adds in place, also to a value that it has computed once for two equal
    calls: measured, half of the scale off.
    """
    module = drafter.module
    for statement, scope in module.names.scopes.home.items():
        match statement:
            case ast.AugAssign(target=ast.Name() as target, op=op, value=value) if type(
                op
            ) in _OPERATORS and _may_be_tensor(inference.kind(target)):
                reference = Reference(
                    "torch.Tensor.__iadd__", target, None, scope, None, scope, (statement,)
                )
                draft = drafter.new(reference, statement)
                if draft.site.status is not Status.IGNORED:
                    drafter.put(draft, _assignment(module, target.id, _OPERATORS[type(op)], value))
                yield draft


def _may_be_tensor(kind: Kind) -> bool:
    """Say whether a value is a Tensor, or a number at first: `loss = 0` before `loss += x`."""
    parts = [*kind.alternatives()]
    has_tensor = any(one.is_tensor for one in parts)
    return has_tensor and all(one.is_tensor or one.name in NUMBERS for one in parts)


def _assignment(module: ParsedModule, name: str, operator: str, value: ast.expr) -> Text:
    """Return what writes `x += y` as `x = x + y`."""

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        return f"{name} = {name} {operator} {_factor(value, edited)}"

    return text


def _factor(value: ast.expr, edited: EditedText) -> str:
    """Return an operand as text, in parentheses where it is computed."""
    right = edited.source(value)
    tight = ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant
    return right if isinstance(value, tight) and not is_loose(right) else f"({right})"


def _changed_data(drafter: Drafter, reference: Reference) -> Draft | None:
    """Return the draft of `p.data *= x` for a Parameter, which becomes `p.set_data(p * x)`."""
    match reference.parents, reference.node:
        case (ast.AugAssign(target=target, op=op, value=value) as statement,), ast.Attribute(
            value=parameter
        ) if reference.api == "torch.nn.Parameter.data" and target is reference.node:
            pass
        case _:
            return None
    draft = drafter.new(reference, statement)
    if type(op) not in _OPERATORS or not _is_chain(parameter) or reference.problem:
        draft.leave(f"`{draft.site.before}`: write it by set_data")
    elif draft.site.status is not Status.IGNORED:

        def text(final: Imports | WholeImports, edited: EditedText) -> str:
            name = edited.source(parameter)
            return f"{name}.set_data({name} {_OPERATORS[type(op)]} {_factor(value, edited)})"

        drafter.put(draft, text)
    return draft


def _is_chain(node: ast.expr) -> bool:
    """Say whether an expression is a name or attributes of one: twice it is the same."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


_TIED = ("torch.nn.Linear", "torch.nn.Embedding")
"""Layers whose weights have torch's shape in MindSpore, so that one may be another's."""


def _is_tied(reference: Reference, inference: Inference) -> bool:
    """Say whether a layer is given another one's weight: `self.head.weight = self.emb.weight`."""
    match reference.parents:
        case (ast.Assign(targets=[target], value=ast.Attribute(value=other, attr="weight")),):
            is_layer = reference.api in [f"{one}.weight" for one in _TIED]
            return target is reference.node and is_layer and inference.kind(other).of in _TIED
    return False


def _like(reference: Reference, inference: Inference) -> str | None:
    """Return the API whose rule a method follows, where that is another one's."""
    assert isinstance(reference.node, ast.Attribute)
    if reference.api in OF_UNKNOWN and not inference.kind(reference.node.value).is_known:
        return OF_UNKNOWN[reference.api]
    return _placement(reference, inference)


def _placement(reference: Reference, inference: Inference) -> str | None:
    """Return the API for which `to` stands where it only moves something: `.to(device)`."""
    owner, _, name = reference.api.rpartition(".")
    match reference.call:
        case ast.Call(args=[ast.expr() as given], keywords=[]) if name == "to":
            is_named = ast.unparse(given).rpartition(".")[2] == "device"
            if is_named or inference.kind(given).name in ("device", "str", "int"):
                return f"{owner}.cuda"
    return None


def _cast(
    module: ParsedModule, reference: Reference, inference: Inference
) -> tuple[str, ast.expr] | None:
    """Return how `to` and `type` are written with a dtype that is a value, and that value.

    Of `x.to(device, dtype)` the device goes, and of `x.to(y)` the dtype of `y` is meant. A value
    that is no dtype after all, such as a name of torch's type in words, raises in MindSpore.
    """
    if reference.api not in ("torch.Tensor.to", "torch.Tensor.type") or reference.call is None:
        return None
    name = reference.api.rpartition(".")[2]
    match reference.call:
        case ast.Call(args=[given], keywords=[]):
            kind = inference.kind(given)
            if name == "to" and kind.is_tensor:
                return ("{}.astype({}.dtype)", given) if _is_tight(given) else None
            named = module.names.meaning(given, reference.scope)
            is_by_rule = named is not None and is_torch(named.name)
            if is_by_rule or not (kind.name == "dtype" or _is_dtype(given, kind, name)):
                return None
            return {"to": "{}.to({})", "type": "{}.astype({})"}[name], given
        case ast.Call(args=[place, dtype], keywords=[]) if name == "to":
            found = dtype
        case ast.Call(args=[place], keywords=[ast.keyword(arg="dtype", value=dtype)]) if (
            name == "to"
        ):
            found = dtype
        case ast.Call(args=[], keywords=[first, second]) if name == "to":
            words = {one.arg: one.value for one in (first, second)}
            if words.keys() != {"device", "dtype"} or not _is_tight(words["dtype"]):
                return None
            return "{}.to({})", words["dtype"]
        case _:
            return None
    is_place = ast.unparse(place).rpartition(".")[2] == "device"
    is_place = is_place or inference.kind(place).name == "device"
    is_dtype = inference.kind(found).name == "dtype" or ast.unparse(found).endswith("dtype")
    return ("{}.to({})", found) if is_place and is_dtype else None


def _is_dtype(given: ast.expr, kind: Kind, method: str) -> bool:
    """Say whether a value is called a dtype, and whatever else it may be raises in MindSpore."""
    is_named = isinstance(given, ast.Name | ast.Attribute)
    is_open = kind.name == "unknown" or method == "type"
    return is_open and is_named and ast.unparse(given).split(".")[-1] == "dtype"


def _is_tight(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def _casting(drafter: Drafter, reference: Reference, form: str, value: ast.expr) -> Draft:
    """Return the draft of a cast."""
    assert reference.call is not None and isinstance(reference.node, ast.Attribute)
    receiver = reference.node.value
    draft = drafter.new(reference, reference.call)
    if draft.site.status is not Status.IGNORED:
        drafter.put(
            draft,
            lambda final, edited: form.format(edited.source(receiver), edited.source(value)),
        )
    return draft


def _parameters(drafter: Drafter, reference: Reference) -> Draft:
    """Return the draft of `parameters()` where running statistics may not be among them."""
    draft = drafter.method(reference)
    if not draft.is_written:
        return draft
    node = reference.node
    assert isinstance(node, ast.Attribute)

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        named = final.spell("named_parameters", reference)
        return f"(one for _, one in {named}({edited.source(node.value)}))"

    drafter.put(draft, text)
    return draft


def _lost(drafter: Drafter, statement: ast.Expr, scope: Scope) -> Draft:
    """Return the draft that drops a statement which torch's next call of the layer undoes."""
    api = WEIGHT_NORMED.of
    assert isinstance(api, str)
    reference = Reference(api, statement.value, None, scope, None, scope, (statement,))
    draft = drafter.new(reference, statement)
    module = drafter.module
    end = module.end(statement)
    is_last = not module.text[end : module.line_end(end)].strip()
    text = "pass  # weight_norm computes this weight anew" if is_last else "pass"
    if draft.site.status is not Status.IGNORED:
        drafter.put(
            draft,
            lambda final, edited: text,
            "torch computes this weight from weight_g and weight_v before each call, so that "
            "setting it has no effect there: set these two if one is wanted",
        )
    return draft


def _trained(drafter: Drafter, call: ast.Call, scope: Scope) -> Draft:
    """Return the draft that sets the mode of a model where it is built."""
    reference = Reference("torch.nn.Module.training", call, None, scope, None, scope, (call,))
    draft = drafter.new(reference, call)
    if draft.site.status is not Status.IGNORED:
        drafter.put(
            draft,
            lambda final, edited: f"{edited.source(call)}.set_train()",
            "a torch module starts in training mode, a Cell does not",
        )
    return draft


def outside(module: ParsedModule, references: Sequence[Reference], reason: str) -> Outline:
    """Return the outline of a file that the run does not name: what has torch in it stays so."""
    uses = find_uses(module)
    inferred = [one.node for one in Inference(module).classes]
    models = [one.node for one in find_classes(module, references, inferred)]
    lines = {one.node.lineno for one in references} | {use.line for use in uses}
    asking = {one.node.lineno for one in references if _asks(one)}
    units = Units(module.tree, module.names.scopes, models, lines, asking)
    concerned = (unit for unit in units.all if unit.is_concerned or unit.is_model)
    stays = [(unit, Hindrance(unit.line, reason)) for unit in concerned]
    return Outline(units, stays, Links([], [], []))


def _asks(reference: Reference) -> bool:
    """Say whether a reference asks if something is of a class of layers of torch's."""
    is_test = is_type_test(reference) or is_compared(reference)
    return is_test and reference.api.startswith("torch.nn.")


def _of_others(inference: Inference, call: ast.Call) -> Iterator[Use]:
    """Yield the class of another file that a call builds a model of."""
    for kind in inference.kind(call).alternatives():
        match kind.of:
            case ClassInfo(name=name, node=node, cells=Cells(path=Path() as file)):
                if node not in inference.cells.classes:
                    yield Use(call.lineno, file.resolve(), name)


def _forward(drafter: Drafter, one: ModuleClass) -> list[Draft]:
    """Return the draft that gives a class's `forward` its name in MindSpore."""
    definition = one.method("forward")
    if definition is None:
        return []
    name = name_of(drafter.module, definition)
    scope = drafter.module.names.scopes.home[definition]
    reference = Reference("torch.nn.Module.forward", name, None, scope, None, scope, (definition,))
    draft = drafter.new(reference, name)
    if draft.site.status is not Status.IGNORED:
        drafter.put(draft, lambda final, edited: "construct")
        draft.site = replace(draft.site, message=_for_graph_mode(definition))
    return [draft]


def _for_graph_mode(definition: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return what to mend for GRAPH_MODE, where some names are not bound before they are read."""
    words = (
        f"GRAPH_MODE does not compile line {line}: `{name}` is bound in a branch or loop alone; "
        "bind it before"
        for name, line in half_bound(definition).items()
    )
    return "; ".join(words)
