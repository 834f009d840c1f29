"""Rules that say what they compute: right rewrites are proved, planted mistakes are refused."""

# ruff: noqa: E501  # signatures are one line in a rule

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mapper.proving.prover import Prover
from mapper.proving.request import DisprovedError, ProofRequest, ProofResult
from mapper.proving.sampling import Seen
from mapper.rulebook.conditions import Version
from mapper.rulebook.loader import Rulebook

NORM = """\
id = "TM90{n}"
kind = "layer"
ranks = [2, 3]
[torch]
api = "torch.nn.BatchNorm{n}d"
signature = "(num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True, track_running_stats: bool = True, device=None, dtype=None)"
inputs = "(input: Tensor)"
computes = "batch_norm(input, weight, bias, running_mean, running_var, eps, momentum, training)"
buffers = ["running_mean", "running_var", "num_batches_tracked"]
[torch.state]
weight = "ones(num_features) if affine else None"
bias = "zeros(num_features) if affine else None"
running_mean = "zeros(num_features) if track_running_stats else None"
running_var = "ones(num_features) if track_running_stats else None"
num_batches_tracked = "zeros((), 'int64') if track_running_stats else None"
[mindspore]
api = "mindspore.nn.BatchNorm{n}d"
signature = "(num_features: int, eps: float = 1e-5, momentum: float = 0.9, affine: bool = True)"
inputs = "(x: Tensor)"
computes = "batch_norm(x, gamma, beta, moving_mean, moving_variance, eps, 1 - momentum, training)"
buffers = [{buffers}]
[mindspore.state]
{path}gamma{end} = "ones(num_features) if affine else frozen(ones(num_features))"
{path}beta{end} = "zeros(num_features) if affine else frozen(zeros(num_features))"
{path}moving_mean{end} = "zeros(num_features)"
{path}moving_variance{end} = "ones(num_features)"
[arguments]
momentum = "1 - momentum"
[manual]
"momentum is None" = "A cumulative average has no counterpart."
"not track_running_stats" = "There is none."
[drop]
device = "placement"
track_running_stats = "always on"
dtype = "a cast"
[parameters]
weight = "{inner}gamma"
bias = "{inner}beta"
running_mean = "{inner}moving_mean"
running_var = "{inner}moving_variance"
num_batches_tracked = ""
[inputs]
input = ["({shape})", "({small})"]
[[examples]]
before = "nn.BatchNorm{n}d(64, momentum=0.01)"
after = "nn.BatchNorm{n}d(64, momentum=0.99)"
"""


def norm(rank: int) -> str:
    """Return the rule of a batch normalisation; the parameters of rank 3 are one level down."""
    path, end = ('"bn2d.', '"') if rank == 3 else ("", "")
    shape = ", ".join(["3, num_features", *"543"[:rank]])
    small = ", ".join(["2, num_features", *"232"[:rank]])
    places = ", ".join(f'"{path.strip(chr(34))}moving_{one}"' for one in ("mean", "variance"))
    text = NORM.replace("ranks = [2, 3]\n", "").replace("{buffers}", places)
    text = text.replace("{inner}", path.strip('"')).replace("{path}", path).replace("{end}", end)
    text = text.replace("{shape}", shape).replace("{small}", small)
    return text.replace("{n}", str(rank))


def rule(number: int, kind: str, torch: str, mindspore: str, more: str = "") -> str:
    """Return a small rule; `more` has the tables after both sides."""
    example = '[[examples]]\nbefore = "f(x)"\nafter = "f(x)"\n'
    other = f"[mindspore]\n{mindspore}\n" if mindspore else ""
    return f'id = "TM{number}"\nkind = "{kind}"\n[torch]\n{torch}\n{other}{more}\n{example}'


RULES = {
    "norm2": norm(2),
    "norm3": norm(3),
    "leaky": rule(
        910,
        "layer",
        'api = "torch.nn.LeakyReLU"\n'
        'signature = "(negative_slope: float = 0.01, inplace: bool = False)"\n'
        'inputs = "(input: Tensor)"\ncomputes = "leaky_relu(input, negative_slope)"',
        'api = "mindspore.nn.LeakyReLU"\nsignature = "(alpha: float = 0.2)"\n'
        'inputs = "(x: Tensor)"\ncomputes = "leaky_relu(x, alpha)"',
        '[arguments]\nalpha = "negative_slope"\n[drop]\ninplace = "in place"',
    ),
    "layer": rule(
        911,
        "layer",
        'api = "torch.nn.LayerNorm"\n'
        'signature = "(normalized_shape: int | tuple[int, ...] | list[int], eps: float = 1e-5)"\n'
        'inputs = "(input: Tensor)"\n'
        'computes = "layer_norm(input, normalized_shape, weight, bias, eps)"\n'
        "state.weight = \"ones(normalized_shape)\"\nstate.bias = \"zeros(normalized_shape)\"",
        'api = "mindspore.nn.LayerNorm"\n'
        'signature = "(normalized_shape: tuple[int, ...] | list[int], epsilon: float = 1e-7)"\n'
        'inputs = "(x: Tensor)"\ncomputes = "layer_norm(x, normalized_shape, gamma, beta, epsilon)"\n'
        "state.gamma = \"ones(normalized_shape)\"\nstate.beta = \"zeros(normalized_shape)\"",
        '[arguments]\nepsilon = "eps"\n[parameters]\nweight = "gamma"\nbias = "beta"\n[inputs]\n'
        'input = ["(2, 3, normalized_shape) if isinstance(normalized_shape, int) '
        'else (2, *normalized_shape)"]',
    ),
    "gelu": rule(
        912,
        "layer",
        'api = "torch.nn.GELU"\nsignature = "(approximate: Literal[\'none\', \'tanh\'] = \'none\')"\n'
        'inputs = "(input: Tensor)"\ncomputes = "gelu(input, approximate == \'tanh\')"',
        'api = "mindspore.nn.GELU"\nsignature = "(approximate: bool = True)"\n'
        'inputs = "(x: Tensor)"\ncomputes = "gelu(x, approximate)"',
        "[arguments]\napproximate = \"approximate == 'tanh'\"",
    ),
    "dropout": rule(
        913,
        "layer",
        'api = "torch.nn.Dropout"\nsignature = "(p: float = 0.5, inplace: bool = False)"\n'
        'inputs = "(input: Tensor)"\ncomputes = "dropout(input, p, training)"',
        'api = "mindspore.nn.Dropout"\n'
        'signature = "(keep_prob: float = 0.5, p: float | None = None, dtype=None)"\n'
        'inputs = "(x: Tensor)"\ncomputes = "dropout(x, 1 - keep_prob if p is None else p, training)"',
        '[drop]\ninplace = "in place"\n[samples]\np = [0.2, 0.0, 1.0]',
    ),
    "linear": rule(
        914,
        "layer",
        'api = "torch.nn.Linear"\n'
        'signature = "(in_features: int, out_features: int, bias: bool = True)"\n'
        'inputs = "(input: Tensor)"\ncomputes = "linear(input, weight, bias)"\n'
        "state.weight = \"empty((out_features, in_features))\"\n"
        "state.bias = \"empty(out_features) if bias else None\"",
        'api = "mindspore.nn.Dense"\n'
        'signature = "(in_channels: int, out_channels: int, has_bias: bool = True)"\n'
        'inputs = "(x: Tensor)"\ncomputes = "linear(x, weight, bias)"\n'
        "state.weight = \"empty((out_channels, in_channels))\"\n"
        "state.bias = \"empty(out_channels) if has_bias else None\"",
        '[arguments]\nin_channels = "in_features"\nout_channels = "out_features"\nhas_bias = "bias"\n'
        '[inputs]\ninput = ["(3, in_features)", "(2, 4, in_features)"]',
    ),
    "prelu": rule(
        915,
        "layer",
        'api = "torch.nn.PReLU"\nsignature = "(num_parameters: int = 1, init: float = 0.25)"\n'
        'inputs = "(input: Tensor)"\ncomputes = "prelu(input, weight)"\n'
        "state.weight = \"full(num_parameters, init)\"",
        'api = "mindspore.nn.PReLU"\nsignature = "(channel: int = 1, w: float = 0.25)"\n'
        'inputs = "(x: Tensor)"\ncomputes = "prelu(x, w)"\nstate.w = "full(channel, w)"',
        '[arguments]\nchannel = "num_parameters"\nw = "init"\n[parameters]\nweight = "w"\n'
        '[inputs]\ninput = ["(3, num_parameters, 4)"]',
    ),
    "softmax": rule(
        920,
        "function",
        'api = "torch.nn.functional.softmax"\nsignature = "(input: Tensor, dim: int)"\n'
        'computes = "softmax(input, dim)"',
        'api = "mindspore.ops.softmax"\nsignature = "(input: Tensor, axis: int = -1)"\n'
        'computes = "softmax(input, axis)"',
        '[arguments]\naxis = "dim"\n[inputs]\ninput = ["(2, 3, 4)"]\n[samples]\ndim = [0, 1, -1]',
    ),
    "argmax": rule(
        921,
        "function",
        'api = "torch.max"\nsignature = "(input: Tensor, dim: int, keepdim: bool = False)"\n'
        'computes = "max(input, dim, keepdim)"',
        'api = "mindspore.ops.max"\n'
        'signature = "(input: Tensor, axis: int | None = None, keepdims: bool = False)"\n'
        'computes = "max(input, axis, keepdims, \'int32\')"',
        '[arguments]\naxis = "dim"\nkeepdims = "keepdim"',
    ),
    "cat": rule(
        922,
        "function",
        'api = "torch.cat"\nsignature = "(tensors: list[Tensor], dim: int = 0)"\n'
        'computes = "cat(tensors, dim)"',
        'api = "mindspore.ops.cat"\nsignature = "(tensors: list[Tensor] | tuple[Tensor, ...], axis: int = 0)"\n'
        'computes = "cat(tensors, axis)"',
        '[arguments]\naxis = "dim"\n[samples]\ndim = [0, 1, -1]\n[inputs]\ntensors = ["(2, 3)"]',
    ),
    "batch_norm": rule(
        923,
        "function",
        'api = "torch.nn.functional.batch_norm"\n'
        'signature = "(input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, '
        'weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False, '
        'momentum: float = 0.1, eps: float = 1e-5)"\n'
        'computes = "batch_norm(input, weight, bias, running_mean, running_var, eps, momentum, training)"',
        'api = "mindspore.ops.batch_norm"\n'
        'signature = "(input_x: Tensor, running_mean: Tensor, running_var: Tensor, weight: Tensor, '
        'bias: Tensor, training: bool = False, momentum: float = 0.1, eps: float = 1e-5)"\n'
        'computes = "batch_norm(input_x, weight, bias, running_mean, running_var, eps, momentum, training)"',
        '[arguments]\ninput_x = "input"\n[inputs]\ninput = ["(3, 4, 5)"]\nrunning_mean = ["(4,)"]\n'
        'running_var = ["1 + noise((4,))"]\nweight = ["(4,)"]\nbias = ["(4,)"]',
    ),
    "size": rule(
        930,
        "method",
        'api = "torch.Tensor.size"\nsignature = "(dim: int | None = None)"\n'
        'computes = "self.shape if dim is None else self.shape[dim]"',
        "",
        '[samples]\ndim = [0, 1, -1]\n[[write]]\nwhen = "dim is None"\ntext = "{self}.shape"\n'
        '[[write]]\ntext = "{self}.shape[{dim}]"',
    ),
    "view": rule(
        931,
        "method",
        'api = "torch.Tensor.view"\nsignature = "(*shape: int | tuple[int, ...])"\n'
        'computes = "reshape(self, *shape)"',
        'api = "mindspore.Tensor.view"\nsignature = "(*shape: int | tuple[int, ...])"\n'
        'computes = "reshape(self, *shape)"',
    ),
    "half": rule(
        940,
        "function",
        'api = "torch.is_tensor"\nsignature = "(obj)"',
        'api = "mindspore.ops.is_tensor"\nsignature = "(obj)"',
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Rulebook:
    folder = tmp_path_factory.mktemp("rules") / "nn"
    folder.mkdir()
    for name, text in RULES.items():
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    return Rulebook(folder.parent)


@pytest.fixture(scope="module")
def prover(book: Rulebook) -> Prover:
    return Prover(book)


def read(framework: str, node: ast.expr) -> str | None:
    """Read nn, F and the framework's own name; everything else is the program's."""
    root, _, rest = ast.unparse(node).partition(".")
    places = {
        "torch": {"nn": "torch.nn", "F": "torch.nn.functional", "torch": "torch"},
        "mindspore": {"nn": "mindspore.nn", "ops": "mindspore.ops", "ms": "mindspore"},
    }[framework]
    return f"{places[root]}.{rest}" if root in places and rest else None


def prove(
    book: Rulebook,
    prover: Prover,
    before: str,
    after: str,
    seen: dict[str, Seen] | None = None,
    assumed: dict[str, object] | None = None,
) -> ProofResult:
    node = ast.parse(before, mode="eval").body
    name = read("torch", node.func) if isinstance(node, ast.Call) else None
    if name is None and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = f"torch.Tensor.{node.func.attr}"
    rule = book.by_api(name or "")
    assert rule is not None, name
    return prover.prove(
        ProofRequest(
            rule,
            node,
            after,
            lambda one: read("torch", one),
            lambda one: read("mindspore", one),
            Version(2, 10),
            assumed or {},
            seen or {},
        )
    )


RIGHT = {
    "a layer with state": ("nn.BatchNorm2d(8)", "nn.BatchNorm2d(8)"),
    "a momentum turned round": (
        "nn.BatchNorm2d(8, momentum=0.01)", "nn.BatchNorm2d(8, momentum=0.99)"
    ),
    "a symbol": ("nn.BatchNorm2d(c, eps=e)", "nn.BatchNorm2d(c, eps=e)"),
    "a symbolic momentum": (
        "nn.BatchNorm2d(c, momentum=m)", "nn.BatchNorm2d(c, momentum=1 - m)"
    ),
    "no affine: frozen parameters": (
        "nn.BatchNorm2d(8, affine=False)", "nn.BatchNorm2d(8, affine=False)"
    ),
    "a symbolic affine": ("nn.BatchNorm2d(8, affine=a)", "nn.BatchNorm2d(8, affine=a)"),
    "parameters one level down": ("nn.BatchNorm3d(4, 1e-3)", "nn.BatchNorm3d(4, 1e-3)"),
    "a renamed argument": ("nn.LeakyReLU(0.1)", "nn.LeakyReLU(alpha=0.1)"),
    "a default written out": ("nn.LeakyReLU()", "nn.LeakyReLU(alpha=0.01)"),
    "a dropped argument": ("nn.LeakyReLU(0.1, inplace=i)", "nn.LeakyReLU(0.1)"),
    "a shape": ("nn.LayerNorm(16)", "nn.LayerNorm((16,), epsilon=1e-5)"),
    "a symbolic shape": ("nn.LayerNorm(n)", "nn.LayerNorm((n,), epsilon=1e-5)"),
    "another default": ("nn.GELU()", "nn.GELU(approximate=False)"),
    "a string": ("nn.GELU(approximate=a)", "nn.GELU(approximate=a == 'tanh')"),
    "the same noise": ("nn.Dropout(0.2)", "nn.Dropout(p=0.2)"),
    "symbolic noise": ("nn.Dropout(p)", "nn.Dropout(p=p)"),
    "inside a sequence": ("nn.Linear(3, 4)", "nn.SequentialCell(nn.Dense(3, 4))"),
    "no bias": ("nn.Linear(3, 4, bias=b)", "nn.Dense(3, 4, has_bias=b)"),
    "a very large layer": ("nn.Linear(25088, 4096)", "nn.Dense(25088, 4096)"),
    "a first value": ("nn.PReLU(3, init=0.1)", "nn.PReLU(3, w=0.1)"),
    "a function": ("F.softmax(x, dim=1)", "ops.softmax(x, axis=1)"),
    "a function of any axis": ("F.softmax(x, dim=d)", "ops.softmax(x, axis=d)"),
    "an operand that is computed": ("F.softmax(x + self.y[0] * 2, 1)",
                                    "ops.softmax(x + self.y[0] * 2, axis=1)"),
    "values alone": ("torch.max(x, 1)[0]", "ops.max(x, 1)[0]"),
    "several operands": ("torch.cat([a, b], 1)", "ops.cat([a, b], 1)"),
    "operands in a list": ("torch.cat(xs, dim=d)", "ops.cat(xs, axis=d)"),
    "operands that change": (
        "F.batch_norm(x, m, v, w, b, True)", "ops.batch_norm(x, m, v, w, b, True)"
    ),
    "a method without a call": ("x.size()", "x.shape"),
    "a method with an index": ("x.size(0)", "x.shape[0]"),
    "a method of any axis": ("x.size(d)", "x.shape[d]"),
    "a method in a method": ("x.view(x.size(0), -1)", "x.view(x.shape[0], -1)"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), RIGHT.values(), ids=RIGHT)
def test_a_right_rewrite_is_proved(book: Rulebook, prover: Prover, before: str, after: str) -> None:
    if before.endswith("[0]"):
        node = ast.parse(before, mode="eval").body
        assert isinstance(node, ast.Subscript)
        rule = book.by_api("torch.max")
        assert rule is not None
        request = ProofRequest(
            rule, node, after, lambda n: read("torch", n), lambda n: read("mindspore", n),
            Version(2, 10),
        )  # fmt: skip
        assert prover.prove(request).proof.kind == "exact"
        return
    proof = prove(book, prover, before, after).proof
    assert proof.cases > 0 and proof.max_abs_error is not None and proof.max_abs_error < 1e-9


WRONG = {
    "momentum is not turned round": (
        "nn.BatchNorm2d(8, momentum=0.01)", "nn.BatchNorm2d(8, momentum=0.01)", "moving_mean"
    ),
    "momentum is turned round where it is a symbol only": (
        "nn.BatchNorm2d(8, momentum=m)", "nn.BatchNorm2d(8, momentum=m)", "moving_mean"
    ),
    "eps is another": ("nn.BatchNorm2d(8)", "nn.BatchNorm2d(8, eps=1e-3)", "the output"),
    "eps stands in the place of momentum": (
        "nn.BatchNorm2d(8, 0.2)", "nn.BatchNorm2d(8, momentum=0.8)", "the output"
    ),
    "the statistics are the batch's in evaluation": (
        "nn.BatchNorm2d(8, track_running_stats=False)", "nn.BatchNorm2d(8)", "parameters"
    ),
    "a symbol may turn the statistics off": (
        "nn.BatchNorm2d(8, track_running_stats=t)", "nn.BatchNorm2d(8)", "with t = False"
    ),
    "affine is lost": ("nn.BatchNorm2d(8, affine=False)", "nn.BatchNorm2d(8)", "parameters"),
    "affine is turned round": (
        "nn.BatchNorm2d(8, affine=a)", "nn.BatchNorm2d(8, affine=not a)", "parameters"
    ),
    "the features are others": ("nn.BatchNorm2d(8)", "nn.BatchNorm2d(4)", "shape"),
    "the slope is MindSpore's default": ("nn.LeakyReLU()", "nn.LeakyReLU()", "the output"),
    "the slope is another": ("nn.LeakyReLU(0.1)", "nn.LeakyReLU(alpha=0.01)", "the output"),
    "the layer's eps is MindSpore's": ("nn.LayerNorm(16)", "nn.LayerNorm((16,))", "the output"),
    "an int for a tuple": ("nn.LayerNorm(16)", "nn.LayerNorm(16, epsilon=1e-5)", "raises"),
    "the approximation is MindSpore's": ("nn.GELU()", "nn.GELU()", "the output"),
    "the approximation is lost": (
        "nn.GELU(approximate='tanh')", "nn.GELU(approximate=False)", "the output"
    ),
    "a string is taken for a truth": (
        "nn.GELU(approximate='none')", "nn.GELU(approximate='none')", "raises"
    ),
    "the first argument is what is kept": ("nn.Dropout(0.2)", "nn.Dropout(0.2)", "in training"),
    "the bias is lost": ("nn.Linear(3, 4)", "nn.Dense(3, 4, has_bias=False)", "parameters"),
    "a bias is added": ("nn.Linear(3, 4, bias=False)", "nn.Dense(3, 4)", "parameters"),
    "both sizes are exchanged": ("nn.Linear(3, 4)", "nn.Dense(4, 3)", "shape"),
    "large sizes are exchanged": ("nn.Linear(25088, 4096)", "nn.Dense(4096, 25088)", "shape"),
    "the first value is lost": ("nn.PReLU(3, init=0.1)", "nn.PReLU(3)", "at the start"),
    "the axis is another": ("F.softmax(x, dim=1)", "ops.softmax(x)", "the output"),
    "the axis is another for some values": (
        "F.softmax(x, dim=d)", "ops.softmax(x, axis=1)", "with d = "
    ),
    "the operands are exchanged": ("torch.cat([a, b])", "ops.cat([b, a])", "the output"),
    "an operand is lost": ("torch.cat([a, b])", "ops.cat([a])", "shape"),
    "the operand is another": ("F.softmax(x, 1)", "ops.softmax(y, 1)", "`y`"),
    "the indices are of another type": ("torch.max(x, 1)", "ops.max(x, 1)", "int32"),
    "the running statistics stay": (
        "F.batch_norm(x, m, v, w, b, True)", "ops.batch_norm(x, m, v, w, b)", "afterwards|output"
    ),
    "a size for the shape": ("x.size()", "x.shape[0]", "the output"),
    "another axis": ("x.size(0)", "x.shape[1]", "the output"),
    "an unknown layer": ("nn.LeakyReLU()", "nn.ReLU9()", "nn.ReLU9"),
    "an unknown keyword": ("nn.LeakyReLU()", "nn.LeakyReLU(slope=0.01)", "slope"),
    "no expression": ("nn.LeakyReLU()", "nn.LeakyReLU(", "no expression"),
    "a lambda": ("nn.LeakyReLU()", "lambda x: x", "lambda"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after", "words"), WRONG.values(), ids=WRONG)
def test_a_planted_mistake_is_refused(
    book: Rulebook, prover: Prover, before: str, after: str, words: str
) -> None:
    with pytest.raises(DisprovedError, match=words):
        prove(book, prover, before, after)


def test_gamma_and_beta_exchanged_in_the_rule_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "nn"
    folder.mkdir()
    text = norm(2).replace('weight = "gamma"\nbias = "beta"', 'weight = "beta"\nbias = "gamma"')
    (folder / "norm.toml").write_text(text, encoding="utf-8")
    book = Rulebook(tmp_path)
    with pytest.raises(DisprovedError, match=r"at the start|the output"):
        prove(book, Prover(book), "nn.BatchNorm2d(8)", "nn.BatchNorm2d(8)")


def test_parameters_pair_through_the_rule(book: Rulebook, prover: Prover) -> None:
    found = prove(book, prover, "nn.BatchNorm3d(4)", "nn.BatchNorm3d(4)")
    assert {name: pair.path for name, pair in found.parameters.items()} == {
        "weight": "bn2d.gamma", "bias": "bn2d.beta", "running_mean": "bn2d.moving_mean",
        "running_var": "bn2d.moving_variance",
    }  # fmt: skip


def test_a_path_begins_with_the_position_in_a_sequence(book: Rulebook, prover: Prover) -> None:
    found = prove(book, prover, "nn.Linear(3, 4)", "nn.SequentialCell(nn.Dense(3, 4))")
    assert found.parameters["weight"].path == "0.weight"


def test_the_parameters_of_a_large_layer_have_its_own_sizes(book: Rulebook, prover: Prover) -> None:
    found = prove(book, prover, "nn.Linear(25088, 4096)", "nn.Dense(25088, 4096)")
    assert found.parameters["weight"].torch == (4096, 25088)


def test_what_raises_in_mindspore_is_an_assumption(book: Rulebook, prover: Prover) -> None:
    found = prove(
        book, prover, "nn.BatchNorm2d(c, momentum=m)", "nn.BatchNorm2d(c, momentum=1 - m)"
    )
    assert (found.proof.kind, found.assumptions) == (
        "sampled", ("`m` is a float (None raises in MindSpore)",)
    )  # fmt: skip


def test_what_the_file_says_is_no_assumption(book: Rulebook, prover: Prover) -> None:
    seen = {"m": Seen((0.3,), frozenset({"float"}))}
    before, after = "nn.BatchNorm2d(c, momentum=m)", "nn.BatchNorm2d(c, momentum=1 - m)"
    assert prove(book, prover, before, after, seen).assumptions == ()


def test_only_the_assumed_values_are_tried(book: Rulebook, prover: Prover) -> None:
    before, after = "nn.BatchNorm2d(8, track_running_stats=t)", "nn.BatchNorm2d(8)"
    assert prove(book, prover, before, after, assumed={"t": True}).proof.cases > 0


def test_a_rule_without_formulas_is_proved_by_itself(book: Rulebook, prover: Prover) -> None:
    assert prove(book, prover, "torch.is_tensor(x)", "ops.is_tensor(x)").proof.kind == "rule"


def test_the_same_request_is_computed_once(
    book: Rulebook, prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prove(book, prover, "nn.LeakyReLU(0.3)", "nn.LeakyReLU(alpha=0.3)")
    monkeypatch.setattr("mapper.proving.declared._Proof.run", lambda _: pytest.fail("again"))
    assert prove(book, prover, "nn.LeakyReLU(0.3)", "nn.LeakyReLU(alpha=0.3)") == first
