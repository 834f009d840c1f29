"""The equations of a file's einsum, as drafts: written out, or left with the reason."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from mapper.analysis.resolve import Reference
from mapper.model.plan import ManualError
from mapper.model.results import Status
from mapper.planning.forms import einsum
from mapper.running.drafts import Draft, Drafter, Text
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.template import is_loose
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
        call = reference.call
        if call is None or call.keywords or not call.args:
            raise ManualError(f"mindspore.ops.einsum has no kernel for the CPU: {_BY_HAND}")
        words = einsum_words(call.args[0])
        given = call.args[1:]
        match given:
            case [ast.List(elts=parts) | ast.Tuple(elts=parts)]:
                given = parts
        text = einsum_text(reference, words, given)
    except ManualError as error:
        draft.leave(str(error))
        return draft
    is_long = einsum.parse(words).sums_several
    drafter.put(draft, text, "for an int32 the result is an int64, unlike torch" if is_long else "")
    return draft


def einsum_words(node: ast.expr) -> str:
    """Return an equation that stands in the source.

    Raises:
        ManualError: it does not.
    """
    match node:
        case ast.Constant(value=str(words)):
            return words
        case ast.JoinedStr(values=[ast.Constant(value=str(words))]):
            return words
    raise ManualError(f"its equation does not stand here: {_BY_HAND}")


def einsum_text(reference: Reference, words: str, given: Sequence[ast.expr]) -> Text:
    """Return what writes an equation for its operands.

    Raises:
        ManualError: it cannot be written out.
    """
    equation = einsum.parse(words)
    is_starred = any(isinstance(one, ast.Starred) for one in given)
    if is_starred or len(given) != len(equation.terms):
        raise ManualError("the equation has another number of operands")
    tried = einsum.written(equation, [einsum.Term("x", ()) for _ in given], "matmul")
    stands_alone = _stands_alone(reference)

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        operands = [_operand(one, edited) for one in given]
        matmul = final.spell(_MATMUL, reference) if "matmul(" in tried.text else ""
        term = einsum.written(equation, operands, matmul)
        return term.text if stands_alone else term.tight

    return text


def _operand(node: ast.expr, edited: EditedText) -> einsum.Term:
    text = edited.source(node)
    is_tight = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return einsum.Term(text, (), is_tight and not is_loose(text))


def _stands_alone(reference: Reference) -> bool:
    """Say whether nothing around a call could bind tighter than what is written for it."""
    match reference.parents[1:]:
        case (ast.Call(args=args), *_):
            return reference.call in args
        case ((ast.Assign() | ast.Return() | ast.AnnAssign() | ast.Expr() | ast.keyword()), *_):
            return True
    return False
