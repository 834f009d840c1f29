"""The values or the indices of `topk` alone: `x.topk(k, dim=-1).indices`, `torch.topk(x, k)[0]`.

MindSpore's indices are int32, torch's int64: where both are wanted, the call stands twice in what
is written, and here once.
"""

from __future__ import annotations

import ast

from mapper.analysis.resolve import Reference
from mapper.model.results import Status
from mapper.running.drafts import Draft, Drafter
from mapper.writing.edited_text import EditedText
from mapper.writing.import_edits import Imports
from mapper.writing.whole_imports import WholeImports

_APIS = ("torch.Tensor.topk", "torch.topk")
_PARTS = {"values": 0, "indices": 1}


def part_draft(drafter: Drafter, reference: Reference) -> Draft | None:
    """Return the draft of a part of what `topk` gives; None where the use is another one."""
    call = reference.call
    if reference.api not in _APIS or call is None or reference.problem:
        return None
    match reference.parents[1:2]:
        case (ast.Attribute(attr="values" | "indices" as name) as whole,):
            part = _PARTS[name]
        case (ast.Subscript(slice=ast.Constant(value=0 | 1 as part), ctx=ast.Load()) as whole,):
            pass
        case _:
            return None
    words = {"input", "k", "dim", "largest", "sorted"}
    given: list[ast.expr] = [*call.args]
    if reference.api == _APIS[0]:
        assert isinstance(reference.node, ast.Attribute)
        given = [reference.node.value, *given]
    draft = drafter.new(reference, whole)
    if draft.site.status is Status.IGNORED:
        return draft
    is_starred = any(isinstance(one, ast.Starred) for one in given)
    if is_starred or any(one.arg not in words for one in call.keywords):
        draft.leave("its arguments are not written out: write them out")
        return draft

    def text(final: Imports | WholeImports, edited: EditedText) -> str:
        texts = [edited.source(one) for one in given]
        texts += [f"{one.arg}={edited.source(one.value)}" for one in call.keywords]
        found = f"{final.spell('mindspore.ops.topk', reference)}({', '.join(texts)})[{part}]"
        return f"{found}.astype({final.spell('mindspore.int64', reference)})" if part else found

    drafter.put(draft, text)
    return draft
