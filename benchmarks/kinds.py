"""How many receivers of Tensor methods are known: `python benchmarks/kinds.py TREE…`.

For every model file of the trees (one that defines a class derived from torch.nn.Module), the
receivers of names that Tensors have are counted: inferred as Tensor, as something else, unknown.
With `--unknown N` the N most frequent reasons are listed, with `--sites TEXT` the places.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from mapper.analysis.inference import Inference, Project
from mapper.analysis.kinds import Kind, words
from mapper.analysis.module import ParsedModule
from mapper.analysis.resolve import Names
from mapper.analysis.torch_results import ATTRIBUTES, TENSOR_METHODS, is_in_place
from mapper.files.source import LineIndex

NAMES = TENSOR_METHODS | ATTRIBUTES.keys() | frozenset(
    words(
        """
        size stride type max min median mode kthvalue topk sort chunk split unbind dim numel
        item tolist numpy is_floating_point is_complex get_device data_ptr is_contiguous
        register_hook backward unique
        """
    )
)  # fmt: skip


def read(path: Path, project: Project) -> Inference | None:
    """Return the inference of a file; None where it is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = path.read_text("utf-8")
            tree = ast.parse(text)
        except (OSError, ValueError, SyntaxError):
            return None
    names = Names(tree, lambda name: None, path=path)
    return Inference(ParsedModule(text, tree, names, LineIndex(text), path=path), project)


def receivers(inference: Inference, models_only: bool = True) -> list[tuple[ast.Attribute, Kind]]:
    """Return the places in classes of modules where a name that Tensors have is read."""
    roots: list[ast.AST] = [info.node for info in inference.classes]
    if not models_only:
        roots = [inference.module.tree]
    seen: dict[ast.Attribute, Kind] = {}
    for root in roots:
        for node in ast.walk(root):
            if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
                continue
            if (node.attr in NAMES or is_in_place(node.attr)) and node not in seen:
                seen[node] = inference.receiver(node)
    return list(seen.items())


def reason(node: ast.Attribute, inference: Inference) -> str:
    """Say in a few words what the unknown receiver is."""
    value = node.value
    while True:
        match value:
            case ast.Attribute(value=inner) if inference.kind(inner).name == "unknown":
                value = inner
            case ast.Call(func=func) if inference.kind(func).name == "unknown":
                value = func
            case ast.Subscript(value=inner) if inference.kind(inner).name == "unknown":
                value = inner
            case _:
                break
    kind = inference.kind(value)
    return f"{type(value).__name__} {ast.unparse(value)[:40]} ({kind.name})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="+", type=Path)
    parser.add_argument("--unknown", type=int, default=0)
    parser.add_argument("--places", default="")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    seconds = 0.0
    for tree in options.trees:
        counts: Counter[str] = Counter()
        project = Project()
        for path in sorted(tree.rglob("*.py")):
            start = time.perf_counter()
            inference = read(path, project)
            if inference is None or not inference.classes:
                continue
            counts["files"] += 1
            for node, kind in receivers(inference):
                how = "Tensor" if kind.is_tensor else kind.name
                how = how if how in ("Tensor", "unknown", "union") else "else"
                counts[how] += 1
                if how in ("unknown", "union"):
                    words = reason(node, inference)
                    reasons[words] += 1
                    if options.places and options.places in words:
                        print(f"{path}:{node.lineno}: {ast.unparse(node)[:80]} {words}")
            seconds += time.perf_counter() - start
        known = counts["Tensor"] + counts["else"]
        every = known + counts["unknown"] + counts["union"]
        print(f"{tree.name:40} {dict(counts)} {100 * known / max(every, 1):.1f}% known")
        total += counts
    known = total["Tensor"] + total["else"]
    every = known + total["unknown"] + total["union"]
    print(f"{'all':40} {dict(total)} {100 * known / max(every, 1):.1f}% of {every} known")
    print(f"{seconds:.1f} s, {1000 * seconds / max(total['files'], 1):.0f} ms a file")
    for words, count in reasons.most_common(options.unknown):
        print(f"{count:5} {words}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
