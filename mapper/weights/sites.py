"""The layers that a migration's report says are built, with the names of their parameters."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mapper.weights.extents import Extent, extent_of
from mapper.weights.names import BUILT_IN, WIDER, is_normalisation
from mapper.weights.networks import Shape

REGISTERED = frozenset({"torch.nn.Module.register_buffer", "torch.nn.Module.register_parameter"})
"""Calls whose first argument is the name of what the class keeps."""
PLAIN = REGISTERED | {"torch.nn.Parameter", "torch.nn.parameter.Parameter", "torch.Tensor"}
"""What a class keeps under the same name itself."""
TOGETHER = (frozenset({"weight", "bias"}), frozenset({"running_mean", "running_var"}))
"""What a normalisation has both of, or none."""
BIASED = ("Conv", "Linear", "Bilinear")
"""Layers that have a bias where a symbolic argument says so."""
FLAGS = {"Conv": 7, "Linear": 2, "Bilinear": 3, "BatchNorm": 3, "InstanceNorm": 3, "GroupNorm": 3,
         "LayerNorm": 2, "Embedding": None, "PReLU": None}  # fmt: skip
"""By the beginning of a layer's name: the first position of an argument that decides which
parameters there are."""
RANKS = {"Conv": 0, "Linear": 2, "Embedding": 2, "PReLU": 1}
"""The axes of a layer's weight by the beginning of its name; 0 is two more than the name says."""
FLAG_NAMES = frozenset({"bias", "affine", "elementwise_affine", "track_running_stats"})
SIZES = {
    "ConvTranspose": ("in_channels", "out_channels", "kernel_size"),
    "Conv": ("out_channels", "in_channels", "kernel_size"),
    "Linear": ("out_features", "in_features"),
    "Embedding": ("num_embeddings", "embedding_dim"),
}
"""What gives the sizes of a weight's axes; the last one gives all that are left."""
PLACES = {"Conv": ("in_channels", "out_channels", "kernel_size"),
          "Linear": ("in_features", "out_features"),
          "Embedding": ("num_embeddings", "embedding_dim")}  # fmt: skip
NORMED = "torch.nn.utils.weight_norm"
KEPT = {NORMED} | frozenset(
    f"torch.nn.{name}" for name in ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell",
                                    "MultiheadAttention")
)  # fmt: skip
"""What has parameters of many numbers and names that are called alike on both sides."""


@dataclass(frozen=True, slots=True)
class Built:
    """A site that builds a layer: where, what, and the parameters that it has on both sides.

    `parameters`: torch's name -> (name below the attribute in MindSpore, torch's shape, MindSpore's
    shape). The shapes are `exact`, or those of one sample. `sure`: no argument that is a name
    decides which parameters there are. `fixed` are the axes of the weight whose sizes are written
    out. `home` is the class or function that the site is in, "" where that is not known. `extent`
    is the shape of a parameter that a class keeps itself, as far as it is written out.
    """

    cls: str | None
    attribute: str | None
    api: str
    parameters: Mapping[str, tuple[str, Shape, Shape]]
    exact: bool = False
    sure: bool = False
    fixed: frozenset[int] = frozenset()
    home: str = ""
    extent: Extent | None = None

    @property
    def kind(self) -> str:
        """Return the class without its module."""
        return self.api.rpartition(".")[2]

    def names(self) -> Mapping[str, tuple[str, Shape, Shape]]:
        """Return its parameters, also a bias that a symbolic argument decides."""
        is_known = self.exact or self.sure or "bias" in self.parameters
        if is_known or not self.kind.startswith(BIASED):
            return self.parameters
        path, torch, mindspore = self.parameters.get("weight", ("weight", (), ()))
        bias = path.removesuffix("weight") + "bias", torch[:1], mindspore[:1]
        return {**self.parameters, "bias": bias}

    def required(self, there: Collection[str] = ()) -> set[str]:
        """Return the parameters that it has whatever its symbolic arguments are.

        Some go together: one that is `there` requires the other.
        """
        if self.exact or self.sure:
            return set(self.parameters)
        if self.kind.startswith((*BIASED, "Embedding", "PReLU")):
            return {"weight"} & self.parameters.keys()
        both = (pair for pair in TOGETHER if pair.intersection(there))
        return {name for pair in both for name in pair if name in self.parameters}

    def fits(self, shapes: Mapping[str, Shape]) -> bool:
        """Say whether a layer with these parameters may be the one that is built."""
        known = self.names()
        for name in shapes.keys() & known.keys():
            shape, seen = shapes[name], known[name][1]
            if len(shape) != len(seen) or (self.exact and shape != seen):
                return False
            if name == "weight" and any(shape[axis] != seen[axis] for axis in self.fixed):
                return False
        if is_normalisation(self.api):
            return len({shapes[name] for name in shapes.keys() & known.keys()}) < 2
        both = shapes.keys() >= {"weight", "bias"} and self.kind.startswith(("Conv", "Linear"))
        if both and not self.kind.startswith("ConvTranspose"):
            return shapes["weight"][:1] == shapes["bias"]
        return True


def sites(report: Mapping[str, Any]) -> tuple[Built, ...]:
    """Return the layers in a JSON report, and the parameters that classes hold themselves."""
    found = []
    for file in report["files"]:
        for site in file["sites"]:
            if site["status"] not in ("migrated", "unsafe", "shape-only"):
                continue
            parameters: Mapping[str, tuple[str, Shape, Shape]] = {
                name: (one["path"], tuple(one["torch"]), tuple(one["mindspore"]))
                for name, one in (site.get("parameters") or {}).items()
            }
            kind = site.get("proof", {}).get("kind")
            exact = kind == "exact" and _is_literal(site)
            if not parameters and kind in ("exact", "sampled") and not _call(site):
                parameters = _handed(site["api"])
            where = site.get("class"), site.get("attribute") or _registered(site)
            is_kept = site["api"] in KEPT and _is_built(site)
            if parameters or site["api"] in PLAIN or is_kept:
                fixed = _fixed(site, parameters)
                sure, home = _is_sure(site), _home(site, file.get("definitions", ()))
                extent = extent_of(_call(site)) if site["api"] in PLAIN else None
                built = Built(*where, site["api"], parameters, exact, sure, fixed, home, extent)
                found.append(built)
    return tuple(found)


def _home(site: Mapping[str, Any], definitions: Iterable[Mapping[str, Any]]) -> str:
    """Return the definition that a site is in."""
    line = site.get("line", 0)
    return next((one["name"] for one in definitions if one["line"] <= line <= one["end_line"]), "")


def _is_built(site: Mapping[str, Any]) -> bool:
    """Say whether a site builds a layer, and is no import, nor a statement that is dropped."""
    is_dropped = (site.get("after") or "").startswith("pass")
    return "before" not in site or (_call(site) is not None and not is_dropped)


def _fixed(
    site: Mapping[str, Any], parameters: Mapping[str, tuple[str, Shape, Shape]]
) -> frozenset[int]:
    """Return the axes of a weight whose sizes are written out in its call."""
    kind, call = site["api"].rpartition(".")[2], _call(site)
    sizes = next((names for name, names in SIZES.items() if kind.startswith(name)), ())
    if call is None or not sizes or "weight" not in parameters or not _is_named(call, kind):
        return frozenset()
    places = next(names for name, names in PLACES.items() if kind.startswith(name))
    given = dict(zip(places, call.args, strict=False)) if _is_plain(call, kind) else {}
    given |= {one.arg: one.value for one in call.keywords if one.arg}
    written = {name for name, value in given.items() if _is_written(value)}
    is_sure = _is_plain(call, kind) and len(call.args) <= len(places) + 3
    if {"groups"} & given.keys() - written or not is_sure:  # it may be given by its place, too
        written -= {sizes[1]}
    axes = range(len(parameters["weight"][1]))
    return frozenset(axis for axis in axes if sizes[min(axis, len(sizes) - 1)] in written)


def _is_written(value: ast.expr) -> bool:
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(one, ast.Constant) and isinstance(one.value, int) for one in parts)


def _is_plain(call: ast.Call, kind: str) -> bool:
    """Say whether a call names the layer's class, and has no `*` or `**`."""
    is_starred = any(isinstance(one, ast.Starred) for one in call.args)
    return _is_named(call, kind) and not is_starred and all(one.arg for one in call.keywords)


def _is_named(call: ast.Call, kind: str) -> bool:
    """Say whether a call names the layer's class: another name may be a `partial` of it."""
    return ast.unparse(call.func).rpartition(".")[2] == kind


def _handed(api: str) -> Mapping[str, tuple[str, Shape, Shape]]:
    """Return the parameters of a class that is handed on to calls with torch's arguments.

    No site says more of these calls; the sizes in the shapes are of no importance.
    """
    kind = api.rpartition(".")[2]
    norm = {name: new for name, new in BUILT_IN.get(api, {}).items() if new}
    if is_normalisation(api):
        return {name: (new, (2,), (2,)) for name, new in norm.items()}
    rank = next((rank for name, rank in RANKS.items() if kind.startswith(name)), None)
    if rank is None:
        return {}
    rank = rank or int(kind[-2]) + 2
    torch = (2,) * rank
    wider = (*torch[:2], 1, *torch[2:]) if api in WIDER else torch
    weight = norm.get("weight", "weight")
    found = {"weight": (weight, torch, wider)}
    return {**found, "bias": ("bias", (2,), (2,))} if kind.startswith(BIASED) else found


def _is_sure(site: Mapping[str, Any]) -> bool:
    """Say whether which parameters a layer has is written out in its call."""
    kind = site["api"].rpartition(".")[2]
    first = next((at for name, at in FLAGS.items() if kind.startswith(name)), -1)
    call = _call(site) if first != -1 else None
    if call is None or not _is_plain(call, kind):
        return False
    flags = [] if first is None else call.args[first:]
    flags += [one.value for one in call.keywords if one.arg in FLAG_NAMES]
    return all(isinstance(one, ast.Constant) for one in flags)


def _registered(site: Mapping[str, Any]) -> str | None:
    """Return the name under which a call registers a buffer or parameter, if it is written out."""
    call = _call(site) if site["api"] in REGISTERED else None
    if call is None:
        return None
    named = [one.value for one in call.keywords if one.arg == "name"]
    match [*call.args, *named]:
        case [ast.Constant(value=str(name)), *_]:
            return name
    return None


def _is_literal(site: Mapping[str, Any]) -> bool:
    """Say whether all arguments are written out, so that the shapes are those of the model."""
    if "before" not in site:
        return True
    call = _call(site)
    if call is None:
        return False
    try:
        given = [*call.args, *(one.value for one in call.keywords)]
        return all(ast.literal_eval(one) is not call for one in given)
    except ValueError:
        return False


def _call(site: Mapping[str, Any]) -> ast.Call | None:
    try:
        found = ast.parse(site.get("before", "").strip(), mode="eval").body
    except SyntaxError:
        return None
    return found if isinstance(found, ast.Call) else None
