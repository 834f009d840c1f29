"""Equations of einsum with shapes for their operands."""

from __future__ import annotations

from collections.abc import Mapping

CASES: Mapping[str, tuple[str, tuple[tuple[int, ...], ...]]] = {
    "axes change places": ("nhwc->nchw", ((2, 3, 4, 5),)),
    "patches are put together": ("nhwpqc->nchpwq", ((2, 3, 4, 2, 3, 2),)),
    "a sum over axes": ("bij->b", ((2, 3, 4),)),
    "attention": ("b h i d, b h j d -> b h i j", ((2, 3, 4, 5), (2, 3, 6, 5))),
    "keys in front": ("bhct,bhcs->bhts", ((2, 3, 4, 5), (2, 3, 4, 6))),
    "keys that all heads share": ("b h i d, b j d -> b h i j", ((2, 3, 4, 5), (2, 6, 5))),
    "maps behind heads": ("bqnc,bnchw->bqnhw", ((2, 3, 4, 5), (2, 4, 5, 3, 2))),
    "a kernel without a batch": ("fts,bhfs->bhts", ((2, 3, 4), (3, 2, 2, 4))),
    "a sum over two axes of both": ("bchw,bkhw->bck", ((2, 3, 4, 5), (2, 6, 4, 5))),
    "weights of rows": ("bn,bnd->bd", ((2, 3), (2, 3, 4))),
    "a product of each pair": ("i,j->ij", ((3,), (4,))),
    "an inner product": ("bi,bi->b", ((2, 3), (2, 3))),
    "a number": ("i,i->", ((3,), (3,))),
    "an axis of one counts for all": ("bij,bjk->bik", ((1, 3, 4), (2, 4, 5))),
    "three operands": ("ij,jk,kl->li", ((2, 3), (3, 4), (4, 5))),
    "an axis that one operand has alone": ("bi,bj->bi", ((2, 3), (2, 4))),
    "a result that is not said": ("ij,jk", ((2, 3), (3, 4))),
    "an ellipsis": ("...d,de->...e", ((2, 3, 4), (4, 5))),
    "two ellipses": ("...ij,...kj->...ik", ((2, 3, 4, 5), (2, 3, 6, 5))),
}
