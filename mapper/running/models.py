"""Whole models: the scaffolding of classes, and which classes and functions migrate at all."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

from mapper.analysis.cells import Cells, ClassInfo
from mapper.analysis.find import counts_statistics, find_methods
from mapper.analysis.half_bound import half_bound
from mapper.analysis.inference import Inference
from mapper.analysis.kinds import WEIGHT_NORMED
from mapper.analysis.module import ParsedModule
from mapper.analysis.project import (
    Origin,
    assigned,
    assigned_in,
    exported,
    origin,
    takers,
)
from mapper.analysis.project_files import find
from mapper.analysis.project_uses import facts_of
from mapper.analysis.resolve import Reference
from mapper.analysis.scopes import FUNCTIONS, Scope
from mapper.analysis.torch_names import is_torch
from mapper.analysis.walk import walk
from mapper.model.options import Options
from mapper.model.record import record
from mapper.model.results import Status
from mapper.planning.forms.class_checks import ClassChecks, Problem
from mapper.planning.forms.computed_weights import find_lost
from mapper.planning.forms.container_checks import of_containers
from mapper.planning.forms.in_place_checks import InPlaceChecks
from mapper.planning.forms.module_dicts import MODULE_DICT, needs_own
from mapper.planning.forms.scaffold import ModuleClass, find_classes, name_of
from mapper.planning.forms.set_methods import of_set_methods
from mapper.planning.forms.training import find_constructions
from mapper.planning.forms.type_test import is_compared, is_type_test, tested_by
from mapper.planning.units import Hindrance, Units
from mapper.running.drafts import Draft, Drafter, Text
from mapper.running.einops import einops_drafts
from mapper.running.einsum import API, einsum_draft
from mapper.running.filled import FilledContainers
from mapper.running.in_place import InPlaceMethods
from mapper.running.no_grad import NoGradients
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports


@record(frozen=True, slots=True)
class Staying:
    """What stays torch's in a file: the names of classes and functions, and why.

    `models` are the names that stand in those of them that belong to a model, or ask whether
    something is of a class of torch's, with the reasons; `reads` are all names that stand in what
    stays; `asks` are the names of functions that ask so.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()
    asks: frozenset[str] = frozenset()


Neighbours = Callable[[Path], Staying]
"""What stays torch's in another file of the project."""


class Models:
    """The drafts of a file whose classes and functions migrate as wholes.

    `neighbours` says of another file of the project which of its classes and functions stay
    torch's, and why.
    """

    def __init__(
        self, drafter: Drafter, references: Sequence[Reference], neighbours: Neighbours
    ) -> None:
        module = drafter.module
        inference = Inference(module)
        self._tree, self._scopes = module.tree, module.names.scopes
        self._classes = find_classes(module, references, [one.node for one in inference.classes])
        lost = dict(find_lost(module, inference))
        references = [one for one in references if not lost.keys() & set(one.parents)]
        if needs_own(module, references, inference):
            drafter.targets[MODULE_DICT] = "ModuleDict"
        no_gradients = NoGradients(drafter, inference)
        cut = {id(one): made for one in references if (made := no_gradients.drafts(one))}
        cut |= {id(one): [einsum_draft(drafter, one)] for one in references if one.api == API}
        drafts = drafter.drafts([one for one in references if id(one) not in cut])
        drafts.extend(draft for made in cut.values() for draft in made)
        drafts.extend(_lost(drafter, *one) for one in lost.items())
        for one in self._classes:
            drafts.extend(_forward(drafter, one))
        filled = FilledContainers(drafter, references, inference)
        in_place = InPlaceMethods(drafter, inference)
        drafts.extend(filled.drafts())
        for reference in find_methods(module, inference):
            if reference.parents[-1] in lost:
                continue
            if filled.handles(reference):
                drafts.extend(filled.stray(reference))
            elif (cast := _cast(module, reference, inference)) is not None:
                drafts.append(_casting(drafter, reference, *cast))
            elif counts_statistics(reference):
                drafts.append(_parameters(drafter, reference))
            elif drafter.is_in_place(reference):
                drafts.append(in_place.draft(reference))
            else:
                drafts.append(drafter.method(reference, _placement(reference, inference)))
        for draft in drafts:
            if draft.is_written and (found := _built_elsewhere(draft.reference, inference)):
                draft.leave(
                    f"whose layer `{found}` is cannot be told, and it may stay torch's: test for "
                    "both frameworks' classes by hand"
                )
        drafts.extend(_augmented(drafter, inference))
        drafts.extend(einops_drafts(drafter))
        models = [one.node for one in self._classes]
        for call, scope in find_constructions(module, inference, models):
            trained = _trained(drafter, call, scope)
            if trained.is_written and (words := _of_others(module, inference, call, neighbours)):
                trained.leave(words)
            drafts.append(trained)
        self.drafts = sorted(drafts, key=lambda one: (one.node.lineno, one.node.col_offset))
        self._problems = list(_problems(module, self._classes, inference, filled.gathered))
        self._problems += _foreign(module, neighbours)
        self._asking = _asking(module, neighbours)
        lines = {draft.node.lineno for draft in self.drafts}
        names = [
            one.name
            for one in module.tree.body
            if (isinstance(one, FUNCTIONS) and lines & {*range(one.lineno, _end(one))})
            or (isinstance(one, ast.ClassDef) and one in models)
        ]
        self._taken = _taken(module, names, neighbours)
        self._problems += _aliases_of_others(module, lines, drafter.options, neighbours)

    @property
    def staying(self) -> Staying:
        """Return what stays torch's in this file."""
        names = {name: why.words for unit, why in self._stays.items() for name in unit.binds}
        asking = self._units.asking(self._stays)
        models = {
            name: f"{unit.words} of another file stays torch's: {why.words}"
            for unit, why in self._stays.items()
            for one in (asking.get(unit, ()) if not unit.is_model else [unit])
            for name in (*one.reads, *_words(one.node))
        }
        reads = frozenset().union(*(unit.reads for unit in self._stays))
        asks = frozenset().union(*(unit.binds for unit in asking))
        return Staying(names, models, reads, asks)

    def settle(self, outside: str = "") -> None:
        """Leave every site of the classes and functions that stay torch's, with the reason.

        `outside` says why all of them do.
        """
        models = [one.node for one in self._classes]
        self._units = units = Units(self._tree, self._scopes, models)
        for draft in self.drafts:
            unit = units.at(draft.node.lineno)
            if unit is not None:
                unit.has_sites = True
                unit.asks |= _asks(draft)
                if not draft.is_written:
                    unit.hindrances.append(_hindrance(draft))
        for line in self._asking:
            if (unit := units.at(line)) is not None:
                unit.asks = True
        for line, words in self._problems:
            unit = units.at(line)
            if unit is not None:
                unit.hindrances.append(Hindrance(line, words))
        for unit in units.all:
            unit.hindrances += [
                Hindrance(unit.node.lineno, self._taken[name])
                for name in unit.binds
                if name in self._taken
            ]
            if outside and (unit.has_sites or unit.is_model):
                unit.hindrances.append(Hindrance(unit.node.lineno, outside))
        self._stays = stays = units.settle()
        for draft in self.drafts:
            unit = units.at(draft.node.lineno)
            if unit in stays and draft.is_written:
                why = stays[unit]
                message = f"{unit.words} stays torch's: line {why.line}: {why.words}"
                draft.uncover(message) if why.is_uncovered else draft.leave(message)


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


def _foreign(module: ParsedModule, neighbours: Neighbours) -> Iterator[tuple[int, str]]:
    """Yield where a file uses what stays torch's in other files of the project, with why."""
    if module.path is None or not _imports_others(module):
        return
    for local, chains in facts_of(module.tree).chains.items():
        for chain in chains:
            found = _taken_from(module, local, chain.attributes) if chain.is_loaded else None
            if found is None:
                continue
            file, name = found
            staying = neighbours(file).names
            if file != module.path.resolve() and name in staying:
                words = f"`{name}` of {file.name} stays torch's: {staying[name]}"
                yield chain.levels[0].lineno, words


def _taken_from(
    module: ParsedModule, local: str, attributes: Sequence[str]
) -> tuple[Path, str] | None:
    """Return the file and the name of what a name of a file, with attributes, takes from others."""
    behind = _behind(module, local, attributes)
    if behind is not None and behind.file is not None and behind.node is not None:
        return behind.file, behind.node.name
    if module.path is None or (behind is not None and behind.torch):
        return None
    scope = module.names.scopes.module
    bindings = scope.bindings.get(local)
    if bindings is None:
        files = [find(star, module.path) for star in scope.stars]
        return next((found for one in files if one and (found := assigned_in(one, local))), None)
    target = bindings[0].target or "" if len(bindings) == 1 else ""
    if not target or is_torch(target) or bindings[0].kind != "import":
        return None
    return assigned(".".join([target, *attributes[:1]]), module.path)


def _asking(module: ParsedModule, neighbours: Neighbours) -> list[int]:
    """Return where functions of other files are named that ask for a class of torch's."""
    if module.path is None or not _imports_others(module):
        return []
    return [
        chain.levels[0].lineno
        for local, chains in facts_of(module.tree).chains.items()
        for chain in chains
        if chain.is_loaded
        and (found := _taken_from(module, local, chain.attributes)) is not None
        and found[1] in neighbours(found[0]).asks
    ]


def _asks(draft: Draft) -> bool:
    """Say whether a site asks if something is of a class of layers that MindSpore has, too."""
    reference = draft.reference
    is_layer = reference.api.startswith("torch.nn.") and draft.site.status is not Status.UNCOVERED
    return is_layer and (is_type_test(reference) or is_compared(reference))


def _imports_others(module: ParsedModule) -> bool:
    """Say whether a file imports something that may be of its project."""
    targets = (binding.target or "" for _, _, binding in module.names.imports())
    return bool(module.names.scopes.module.stars) or any(not is_torch(one) for one in targets)


def _behind(module: ParsedModule, local: str, attributes: Sequence[str]) -> Origin | None:
    """Return what a name of a file, with attributes, stands for in other files."""
    assert module.path is not None
    scope = module.names.scopes.module
    bindings = scope.bindings.get(local)
    if bindings is None:
        behind = [find(star, module.path) for star in scope.stars]
        return next((found for one in behind if one and (found := exported(one, local))), None)
    target = bindings[0].target or "" if len(bindings) == 1 else ""
    if not target or is_torch(target):
        return None
    return origin(".".join([target, *attributes[:1]]), module.path) or origin(target, module.path)


def _aliases_of_others(
    module: ParsedModule, lines: Collection[int], options: Options, neighbours: Neighbours
) -> Iterator[Problem]:
    """Yield why a name for a class or function of torch's, as in `C = nn.Conv2d`, has to stay.

    Files that the run does not name, or that stay torch's, expect torch's: in a type test it would
    be another class without a word.
    """
    if module.path is None or not module.path.is_file():
        return
    for statement in module.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute()):
                pass
            case _:
                continue
        for taker in (takers(module.path, name) or ()) if statement.lineno in lines else ():
            file = taker.file
            if not options.names(str(file.parent), str(file)):
                words = f"{file.name} takes `{name}` from here: name that file in the run, too"
                yield statement.lineno, words
            elif name in neighbours(file).reads:
                yield statement.lineno, f"{file.name} takes `{name}` from here, and stays torch's"


def _words(node: ast.AST) -> set[str]:
    """Return the attributes and imports in a class: `blocks.Block` names another file's."""
    attributes = {one.attr for one in walk(node) if isinstance(one, ast.Attribute)}
    imports = (one for one in walk(node) if isinstance(one, ast.alias))
    return attributes.union(*({one.name, one.asname or ""} for one in imports))


def _end(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) + 1


def _taken(module: ParsedModule, names: Sequence[str], neighbours: Neighbours) -> dict[str, str]:
    """Return which of the names a model of another file uses that stays torch's, with why."""
    found: dict[str, str] = {}
    if module.path is None or not module.path.is_file():
        return found
    for name in names:
        for taker in takers(module.path, name) or ():
            models = neighbours(taker.file).models
            for word in (name, *(local for local, _ in taker.uses.imported)):
                if word in models:
                    found[name] = models[word]
    return found


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
            case ast.AugAssign(target=ast.Name() as target, op=op, value=value) if (
                type(op) in _OPERATORS and inference.kind(target).is_tensor
            ):
                reference = Reference(
                    "torch.Tensor.__iadd__", target, None, scope, None, scope, (statement,)
                )
                draft = drafter.new(reference, statement)
                if draft.site.status is not Status.IGNORED:
                    drafter.put(draft, _assignment(module, target.id, _OPERATORS[type(op)], value))
                yield draft


def _assignment(module: ParsedModule, name: str, operator: str, value: ast.expr) -> Text:
    """Return what writes `x += y` as `x = x + y`."""
    is_loose = not isinstance(
        value, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant
    )

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        right = edited.source(value)
        return f"{name} = {name} {operator} " + (f"({right})" if is_loose else right)

    return text


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
    """Return what stands for `to` and `type` with a dtype that is a value, and the dtype.

    Of `x.to(device, dtype)` the device goes. A value that is no dtype after all, such as a name of
    torch's type in words, raises in MindSpore.
    """
    if reference.api not in ("torch.Tensor.to", "torch.Tensor.type") or reference.call is None:
        return None
    name = reference.api.rpartition(".")[2]
    match reference.call:
        case ast.Call(args=[given], keywords=[]) if inference.kind(given).name == "dtype":
            named = module.names.meaning(given, reference.scope)
            is_by_rule = named is not None and is_torch(named.name)
            return None if is_by_rule else ({"to": "to", "type": "astype"}[name], given)
        case ast.Call(args=[place, dtype], keywords=[]) if name == "to":
            found = dtype
        case ast.Call(args=[place], keywords=[ast.keyword(arg="dtype", value=dtype)]) if (
            name == "to"
        ):
            found = dtype
        case _:
            return None
    is_place = ast.unparse(place).rpartition(".")[2] == "device"
    is_place = is_place or inference.kind(place).name == "device"
    return ("to", found) if is_place and inference.kind(found).name == "dtype" else None


def _casting(drafter: Drafter, reference: Reference, method: str, dtype: ast.expr) -> Draft:
    """Return the draft of a cast."""
    assert reference.call is not None and isinstance(reference.node, ast.Attribute)
    receiver = reference.node.value
    draft = drafter.new(reference, reference.call)
    if draft.site.status is not Status.IGNORED:
        drafter.put(
            draft,
            lambda final, edited: f"{edited.source(receiver)}.{method}({edited.source(dtype)})",
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


def _of_others(
    module: ParsedModule, inference: Inference, call: ast.Call, neighbours: Neighbours
) -> str:
    """Say why a model that another file defines stays torch's, if it does."""
    for kind in inference.kind(call).alternatives():
        match kind.of:
            case ClassInfo(name=name, node=node, cells=Cells(path=Path() as file)):
                is_own = node in inference.cells.classes
                if not is_own and name in (names := neighbours(file.resolve()).names):
                    return f"`{name}` of {file.name} stays torch's: {names[name]}"
    return ""


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


def _hindrance(draft: Draft) -> Hindrance:
    site = draft.site
    words = f"`{site.before}`: {site.message}" if len(site.before) < 60 else site.message
    return Hindrance(draft.node.lineno, words, site.status is Status.UNCOVERED)
