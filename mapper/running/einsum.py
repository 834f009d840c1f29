"""The equations of a file's einsum, as drafts: written out, or left with the reason."""

from __future__ import annotations

import ast

from mapper.analysis.resolve import Reference
from mapper.model.plan import ManualError
from mapper.model.results import Status
from mapper.planning.forms import einsum
from mapper.running.drafts import Draft, Drafter
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports

API = "torch.einsum"
_MATMUL = "mindspore.ops.matmul"
_BY_HAND = "write it out with permute, reshape, mindspore.ops.matmul and sum"


def einsum_draft(drafter: Drafter, reference: Reference) -> Draft:
    """Return the draft of a use of einsum; without a text where it is left to a person."""
    draft = drafter.new(reference, reference.call or reference.node)
    if draft.site.status is Status.IGNORED:
        return draft
    try:
        if reference.problem:
            raise ManualError(reference.problem)
        equation, given = _read(reference.call)
        found = einsum.written(equation, [einsum.Term("x", ()) for _ in given], "matmul")
    except ManualError as error:
        draft.leave(str(error))
        return draft
    stands_alone = _stands_alone(reference)

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        operands = [einsum.Term(edited.source(one), (), _is_tight(one)) for one in given]
        matmul = final.spell(_MATMUL, reference) if "matmul(" in found.text else ""
        term = einsum.written(equation, operands, matmul)
        return term.text if stands_alone else term.tight

    is_kept = all(
        len([name for name in term if name in other and name not in equation.result]) < 2
        for index, term in enumerate(equation.terms)
        for other in equation.terms[:index]
    )
    drafter.put(draft, text, "" if is_kept else "for an int32 the result is an int64, unlike torch")
    return draft


def _read(call: ast.Call | None) -> tuple[einsum.Equation, list[ast.expr]]:
    """Return the equation of a call and its operands."""
    if call is None or call.keywords or not call.args:
        raise ManualError(f"mindspore.ops.einsum has no kernel for the CPU: {_BY_HAND}")
    match call.args:
        case [first, ast.List(elts=given) | ast.Tuple(elts=given)]:
            pass
        case [first, *given]:
            pass
    match first:
        case (
            ast.Constant(value=str(words)) | ast.JoinedStr(values=[ast.Constant(value=str(words))])
        ):
            equation = einsum.parse(words)
        case _:
            raise ManualError(f"its equation does not stand here: {_BY_HAND}")
    is_starred = any(isinstance(one, ast.Starred) for one in given)
    if is_starred or len(given) != len(equation.terms):
        raise ManualError("the equation has another number of operands")
    return equation, given


def _is_tight(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)


def _stands_alone(reference: Reference) -> bool:
    """Say whether nothing around a call could bind tighter than what is written for it."""
    match reference.parents[1:]:
        case (ast.Call(args=args), *_):
            return reference.call in args
        case ((ast.Assign() | ast.Return() | ast.AnnAssign() | ast.Expr() | ast.keyword()), *_):
            return True
    return False
