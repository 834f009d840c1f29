"""Deliberately wrong rewrites: the prover refuses every one, whoever planted it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace

import pytest

from mapper.model.options import Options
from mapper.model.plan import Plan, Wrapper
from mapper.model.results import Status
from mapper.planning import strategies
from mapper.planning.bound_call import BoundCall
from mapper.proving.prover import Prover
from mapper.proving.request import DisprovedError, ProofRequest
from mapper.proving.semantics.conv import compare
from mapper.rulebook.conditions import Version
from mapper.rulebook.helpers import HELPERS
from mapper.rulebook.loader import load
from mapper.rulebook.schema import Strategy
from mapper.running.module import Migrator

PROVER = Prover(load())


def read(node: ast.expr) -> str | None:
    """Read `nn.Pad` as MindSpore's, and the helper classes by their names."""
    name = ast.unparse(node)
    return name if name in HELPERS else f"mindspore.{name}"


def request(torch: str, written: str) -> ProofRequest:
    call = ast.parse(torch, mode="eval").body
    assert isinstance(call, ast.Call)
    rule = load().by_api(f"torch.{ast.unparse(call.func)}")
    assert rule is not None
    version = Version.parse("2.10")
    return ProofRequest(rule, call, written, read_torch, read, version, may_raise=True)


def read_torch(node: ast.expr) -> str | None:
    """Read `nn.Conv2d` as torch's."""
    return f"torch.{ast.unparse(node)}"


def given(request: ProofRequest, name: str, value: str) -> ProofRequest:
    """Return the request with another argument in the torch call."""
    assert isinstance(request.before, ast.Call)
    place = ["in_channels", "out_channels", "kernel_size"]
    changed = ast.Call(request.before.func, [*request.before.args], [*request.before.keywords])
    node = ast.parse(value, mode="eval").body
    if name in place:
        changed.args[place.index(name)] = node
    else:
        changed.keywords.append(ast.keyword(name, node))
    return replace(request, before=changed)


# What torch computes, a right text, and the wrong one: only the plant is between the two.
PLANTED = {
    "the bias is dropped": (
        "nn.Conv2d(3, 8, 3)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=False)",
    ),
    "MindSpore's default of has_bias is forgotten": (
        "nn.Conv2d(3, 8, 3)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid')",
    ),
    "a bias is added": (
        "nn.Conv2d(3, 8, 3, bias=False)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=False)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "the bias is turned around": (
        "nn.Conv2d(3, 8, 3, bias=b)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=b)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=not b)",
    ),
    "MindSpore's default of pad_mode is forgotten": (
        "nn.Conv2d(3, 8, 3)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
        "nn.Conv2d(3, 8, 3, has_bias=True)",
    ),
    "same for padding=1 with stride 2": (
        "nn.Conv2d(3, 8, 3, stride=2, padding=1)",
        "nn.Conv2d(3, 8, 3, stride=2, pad_mode='pad', padding=1, has_bias=True)",
        "nn.Conv2d(3, 8, 3, stride=2, pad_mode='same', has_bias=True)",
    ),
    "same for a padding that only a symbol makes another": (
        "nn.Conv2d(3, 8, 3, stride=s, padding=1)",
        "nn.Conv2d(3, 8, 3, stride=s, pad_mode='pad', padding=1, has_bias=True)",
        "nn.Conv2d(3, 8, 3, stride=s, pad_mode='same', has_bias=True)",
    ),
    "the padding is lost": (
        "nn.Conv2d(3, 8, 3, padding=1)",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "the padding is off by one": (
        "nn.Conv3d(3, 8, 3, padding=1)",
        "nn.Conv3d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True)",
        "nn.Conv3d(3, 8, 3, pad_mode='pad', padding=2, has_bias=True)",
    ),
    "the padding is halved with the wrong rounding": (
        "nn.Conv1d(3, 8, k, padding=k // 2)",
        "nn.Conv1d(3, 8, k, pad_mode='pad', padding=k // 2, has_bias=True)",
        "nn.Conv1d(3, 8, k, pad_mode='pad', padding=(k - 1) // 2, has_bias=True)",
    ),
    "the axes of an asymmetric tuple are swapped": (
        "nn.Conv2d(3, 8, 3, padding=(1, 2))",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(1, 1, 2, 2), has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(2, 2, 1, 1), has_bias=True)",
    ),
    "a tuple is interleaved wrongly": (
        "nn.Conv2d(3, 8, 3, padding=(1, 2))",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(1, 1, 2, 2), has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(1, 2, 1, 2), has_bias=True)",
    ),
    "a tuple of two stays a tuple of two": (
        "nn.Conv2d(3, 8, 3, padding=(1, 2))",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(1, 1, 2, 2), has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(1, 2), has_bias=True)",
    ),
    "the order of the kernel is wrong": (
        "nn.Conv2d(3, 8, (3, 5))",
        "nn.Conv2d(3, 8, (3, 5), pad_mode='valid', has_bias=True)",
        "nn.Conv2d(3, 8, (5, 3), pad_mode='valid', has_bias=True)",
    ),
    "the groups are lost": (
        "nn.Conv2d(4, 8, 3, groups=2)",
        "nn.Conv2d(4, 8, 3, pad_mode='valid', group=2, has_bias=True)",
        "nn.Conv2d(4, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "symbolic groups are lost": (
        "nn.Conv2d(c, c, 3, groups=g)",
        "nn.Conv2d(c, c, 3, pad_mode='valid', group=g, has_bias=True)",
        "nn.Conv2d(c, c, 3, pad_mode='valid', has_bias=True)",
    ),
    "the groups keep torch's name": (
        "nn.Conv2d(4, 8, 3, groups=2)",
        "nn.Conv2d(4, 8, 3, pad_mode='valid', group=2, has_bias=True)",
        "nn.Conv2d(4, 8, 3, pad_mode='valid', groups=2, has_bias=True)",
    ),
    "the dilation is lost": (
        "nn.Conv1d(3, 8, 3, dilation=2)",
        "nn.Conv1d(3, 8, 3, pad_mode='valid', dilation=2, has_bias=True)",
        "nn.Conv1d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "the stride is lost": (
        "nn.Conv2d(3, 8, 3, stride=2)",
        "nn.Conv2d(3, 8, 3, stride=2, pad_mode='valid', has_bias=True)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "positional arguments fall into MindSpore's places": (
        "nn.Conv2d(4, 8, 3, 1, 1, 1, 2)",
        "nn.Conv2d(4, 8, 3, 1, 'pad', 1, 1, 2, has_bias=True)",
        "nn.Conv2d(4, 8, 3, 1, 'pad', 1, 2, 1, has_bias=True)",
    ),
    "the channels are swapped": (
        "nn.Conv2d(4, 8, 3)",
        "nn.Conv2d(4, 8, 3, pad_mode='valid', has_bias=True)",
        "nn.Conv2d(8, 4, 3, pad_mode='valid', has_bias=True)",
    ),
    "the class has another rank": (
        "nn.Conv2d(3, 8, 3)",
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
        "nn.Conv1d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "the class is the transposed one": (
        "nn.Conv2d(8, 8, 3)",
        "nn.Conv2d(8, 8, 3, pad_mode='valid', has_bias=True)",
        "nn.Conv2dTranspose(8, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "reflect pads the channels": (
        "nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')",
        "nn.SequentialCell(nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)), 'REFLECT'), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(nn.Pad(((0, 0), (1, 1), (1, 1), (1, 1)), 'REFLECT'), "
        "nn.Conv2d(3 + 2, 8, 3, pad_mode='valid', has_bias=True))",
    ),
    "reflect becomes symmetric": (
        "nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')",
        "nn.SequentialCell(nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)), 'REFLECT'), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)), 'SYMMETRIC'), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
    ),
    "the padding layer comes after the convolution": (
        "nn.Conv1d(3, 8, 3, padding=1, padding_mode='replicate')",
        "nn.SequentialCell(nn.ReplicationPad1d(1), "
        "nn.Conv1d(3, 8, 3, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(nn.Conv1d(3, 8, 3, pad_mode='valid', has_bias=True), "
        "nn.ReplicationPad1d(1))",
    ),
    "circular becomes replicate": (
        "nn.Conv2d(3, 8, 3, padding=1, padding_mode='circular')",
        "nn.SequentialCell(CircularPad((1, 1, 1, 1)), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(nn.ReplicationPad2d(1), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
    ),
    "the axes of a circular padding are swapped": (
        "nn.Conv2d(3, 8, 3, padding=(1, 2), padding_mode='circular')",
        "nn.SequentialCell(CircularPad((2, 2, 1, 1)), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(CircularPad((1, 1, 2, 2)), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
    ),
    "it is padded twice": (
        "nn.Conv2d(3, 8, 3, padding=1, padding_mode='replicate')",
        "nn.SequentialCell(nn.ReplicationPad2d(1), "
        "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(nn.ReplicationPad2d(1), "
        "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True))",
    ),
    "an even kernel's same is split the other way": (
        "nn.Conv1d(3, 8, 4, padding='same', padding_mode='replicate')",
        "nn.SequentialCell(nn.ReplicationPad1d((1, 2)), "
        "nn.Conv1d(3, 8, 4, pad_mode='valid', has_bias=True))",
        "nn.SequentialCell(nn.ReplicationPad1d((2, 1)), "
        "nn.Conv1d(3, 8, 4, pad_mode='valid', has_bias=True))",
    ),
    "zeros are padded after a transposed convolution": (
        "nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=(1, 0, 1, 0), "
        "has_bias=True)",
        "nn.SequentialCell(nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=1, "
        "has_bias=True), nn.Pad(((0, 0), (0, 0), (0, 1), (0, 1)), 'CONSTANT'))",
    ),
    "MindSpore's own output_padding in 2-d": (
        "nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=(1, 0, 1, 0), "
        "has_bias=True)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=1, output_padding=1, "
        "has_bias=True)",
    ),
    "right and left of an asymmetric padding are swapped": (
        "nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=(1, 0, 1, 0), "
        "has_bias=True)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=(0, 1, 0, 1), "
        "has_bias=True)",
    ),
    "same for an output_padding of stride - 1": (
        "nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=(1, 0, 1, 0), "
        "has_bias=True)",
        "nn.Conv2dTranspose(3, 8, 3, stride=2, pad_mode='same', has_bias=True)",
    ),
    "the output_padding is lost": (
        "nn.ConvTranspose3d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        "nn.Conv3dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=1, output_padding=1, "
        "has_bias=True)",
        "nn.Conv3dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=1, has_bias=True)",
    ),
    "cropped at the wrong end": (
        "nn.ConvTranspose1d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        "nn.SequentialCell(nn.Conv1dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=0, "
        "has_bias=True), Crop1d(1))",
        "nn.SequentialCell(nn.Conv1dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding=0, "
        "has_bias=True), Crop1d(0, 1))",
    ),
    "valid for a kernel smaller than the stride": (
        "nn.ConvTranspose2d(3, 8, 2, stride=3)",
        "nn.Conv2dTranspose(3, 8, 2, stride=3, pad_mode='pad', has_bias=True)",
        "nn.Conv2dTranspose(3, 8, 2, stride=3, pad_mode='valid', has_bias=True)",
    ),
    "valid for a kernel that may be smaller than the stride": (
        "nn.ConvTranspose2d(3, 8, k, stride=s)",
        "nn.Conv2dTranspose(3, 8, k, stride=s, pad_mode='pad', has_bias=True)",
        "nn.Conv2dTranspose(3, 8, k, stride=s, pad_mode='valid', has_bias=True)",
    ),
}


@pytest.mark.parametrize(("torch", "right", "wrong"), PLANTED.values(), ids=PLANTED)
def test_the_text_without_the_plant_is_proved(torch: str, right: str, wrong: str) -> None:
    proof = PROVER.prove(request(torch, right)).proof
    assert proof.cases > 0 and proof.max_abs_error is not None and proof.max_abs_error < 1e-9


@pytest.mark.parametrize(("torch", "right", "wrong"), PLANTED.values(), ids=PLANTED)
def test_the_planted_mistake_is_refused(torch: str, right: str, wrong: str) -> None:
    with pytest.raises(DisprovedError) as error:
        PROVER.prove(request(torch, wrong))
    assert str(error.value)


NOT_A_LAYER = {
    "a name": "conv",
    "a lambda": "lambda x: x",
    "a layer that cannot be checked": "nn.Dense(3, 8)",
    "a conditional": "nn.Conv2d(3, 8, 3) if x else nn.Conv2d(3, 8, 1)",
    "nothing at all": "nn.SequentialCell()",
    "an unknown keyword": "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True, bias=True)",
    "a missing argument": "nn.Conv2d(3, 8, pad_mode='valid', has_bias=True)",
    "an unpacked list of layers": "nn.SequentialCell(*layers)",
}


@pytest.mark.parametrize("written", NOT_A_LAYER.values(), ids=NOT_A_LAYER)
def test_a_text_that_is_no_known_layer_is_refused(written: str) -> None:
    with pytest.raises(DisprovedError):
        PROVER.prove(request("nn.Conv2d(3, 8, 3)", written))


def test_a_remembered_proof_does_not_cover_another_text() -> None:
    torch, right, wrong = PLANTED["same for padding=1 with stride 2"]
    prover = Prover(load())
    for _ in range(2):
        prover.prove(request(torch, right))
        with pytest.raises(DisprovedError):
            prover.prove(request(torch, wrong))


def test_only_the_shape_may_be_claimed_on_its_own() -> None:
    torch, _, wrong = PLANTED["zeros are padded after a transposed convolution"]
    verdict = PROVER.prove(replace(request(torch, wrong), shape_only=True))
    assert verdict.difference


def test_not_even_the_shape_may_differ() -> None:
    torch, _, wrong = PLANTED["same for padding=1 with stride 2"]
    wrong = wrong.replace("stride=2, ", "")
    with pytest.raises(DisprovedError):
        PROVER.prove(replace(request(torch, wrong), shape_only=True))


# --- planted in the strategies, seen by the user --------------------------------------------------

Plant = Callable[[Plan], object]


def _drop_bias(plan: Plan) -> None:
    plan.added = [(name, value) for name, value in plan.added if name != "has_bias"]


def _pad_same(plan: Plan) -> None:
    plan.changes["padding"] = [("pad_mode", "'same'")]


def _pad_after(plan: Plan) -> None:
    pairs = "paddings=((0, 0), (0, 0), (0, 1), (0, 1))"
    plan.after.append(Wrapper("mindspore.nn.Pad", pairs))


SABOTAGE: dict[str, tuple[Strategy, str, Plant]] = {
    "the bias is dropped": (Strategy.CONV, "nn.Conv2d(3, 8, 3, padding=1)", _drop_bias),
    "pad_mode is same": (Strategy.CONV, "nn.Conv2d(3, 8, 3, stride=2, padding=1)", _pad_same),
    "the stride is lost": (
        Strategy.CONV,
        "nn.Conv1d(3, 8, 3, stride=2)",
        lambda plan: plan.changes.update(stride=[]),
    ),
    "the kernel is another": (
        Strategy.CONV,
        "nn.Conv3d(3, 8, (1, 3, 5))",
        lambda plan: plan.changes.update(kernel_size=[("", "(5, 3, 1)")]),
    ),
    "the target is another class": (
        Strategy.CONV,
        "nn.Conv2d(8, 8, 3)",
        lambda plan: setattr(plan, "target", "mindspore.nn.Conv2dTranspose"),
    ),
    "a zero pad comes after": (
        Strategy.CONV_TRANSPOSE,
        "nn.ConvTranspose2d(3, 8, 3, stride=2, padding=1)",
        _pad_after,
    ),
    "an unknown layer comes after": (
        Strategy.CONV,
        "nn.Conv2d(3, 8, 3)",
        lambda plan: plan.after.append(Wrapper("mindspore.nn.ReLU", "")),
    ),
    "the crop is forgotten": (
        Strategy.CONV_TRANSPOSE,
        "nn.ConvTranspose1d(3, 8, 3, stride=2, padding=1, output_padding=1)",
        lambda plan: plan.after.clear(),
    ),
    "the padding layer is forgotten": (
        Strategy.CONV,
        "nn.Conv2d(3, 8, 3, padding=1, padding_mode='reflect')",
        lambda plan: plan.before.clear(),
    ),
}


@pytest.mark.parametrize(("strategy", "call", "plant"), SABOTAGE.values(), ids=SABOTAGE)
def test_a_sabotaged_strategy_ends_as_manual(
    monkeypatch: pytest.MonkeyPatch, strategy: Strategy, call: str, plant: Plant
) -> None:
    text = f"import torch.nn as nn\nc = {call}\n"
    honest = strategies.STRATEGIES[strategy]
    (site,) = Migrator(load(), Options(select=("conv",))).migrate(text).sites
    assert site.status is Status.MIGRATED

    def sabotaged(call: BoundCall) -> Plan:
        plan = honest(call)
        plant(plan)
        return plan

    monkeypatch.setitem(strategies.STRATEGIES, strategy, sabotaged)
    found = Migrator(load(), Options(select=("conv",))).migrate(text)
    (site,) = found.sites
    assert (site.status, site.after, found.edits) == (Status.MANUAL, None, ())
    assert site.proof.kind == "none"
    assert site.message, "the mismatch is in the message"


REMEMBERED = ("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)")


def test_the_same_claim_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prover, asked = Prover(load()), request(*REMEMBERED)
    first = prover.prove(asked)
    monkeypatch.setattr(compare, "_run", lambda *_, **__: pytest.fail("it is computed again"))
    assert prover.prove(asked) == first


OTHERWISE: dict[str, Callable[[ProofRequest], ProofRequest]] = {
    "another torch argument": lambda r: given(r, "stride", "2"),
    "an argument that is only equal": lambda r: given(r, "kernel_size", "3.0"),
    "an expression in its place": lambda r: given(r, "kernel_size", "(3, 5)"),
    "another text": lambda r: replace(r, after=r.after.replace("'valid'", "'same'")),
    "another meaning of a name": lambda r: replace(r, read_after=lambda _: "mindspore.nn.Conv1d"),
    "no meaning of a name": lambda r: replace(r, read_after=lambda _: None),
    "another rule": lambda r: replace(r, rule=request("nn.Conv3d(3, 8, 3)", "").rule),
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_remembered_hides_no_difference(
    change: Callable[[ProofRequest], ProofRequest],
) -> None:
    prover, asked = Prover(load()), request(*REMEMBERED)
    prover.prove(asked)
    with pytest.raises(DisprovedError):
        prover.prove(change(asked))
    assert prover.prove(asked).proof.kind == "exact"
