"""What a rule is: one torch API, its MindSpore counterpart, and what is known of the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from mapper.model.record import record
from mapper.rulebook.conditions import Condition, Version, VersionRange

Scalar = str | int | float | bool
_LATER: Mapping[str, bool] = {"omit_when_empty": True}
"""For fields that `tm2ms rules --output-format json` leaves out where a rule says nothing."""


class Kind(StrEnum):
    """What a rule is about. A new kind is added here and in `NEEDED`, nowhere else."""

    LAYER = "layer"
    FUNCTION = "function"
    METHOD = "method"
    ATTRIBUTE = "attribute"
    CLASS = "class"
    CONSTANT = "constant"
    MODULE = "module"
    MANUAL = "manual"
    SIGNATURE = "signature"


NEEDED: Mapping[Kind, tuple[str, ...]] = {
    Kind.LAYER: ("torch", "mindspore", "examples"),
    Kind.FUNCTION: ("torch", "examples"),
    Kind.METHOD: ("torch", "examples"),
    Kind.ATTRIBUTE: ("torch", "examples"),
    Kind.CLASS: ("torch", "mindspore"),
    Kind.CONSTANT: ("torch",),
    Kind.MODULE: ("torch", "mindspore"),
    Kind.MANUAL: ("torch", "remedy", "examples"),
    Kind.SIGNATURE: ("mindspore",),
}


class Group(StrEnum):
    """What `--select` calls a part of the rules."""

    CONV = "conv"
    LAYERS = "layers"
    FUNCTIONS = "functions"
    TENSOR = "tensor"
    MODULES = "modules"
    INIT = "init"
    NONE = ""


_GROUP_OF_KIND: Mapping[Kind, Group] = {
    Kind.LAYER: Group.LAYERS,
    Kind.FUNCTION: Group.FUNCTIONS,
    Kind.METHOD: Group.TENSOR,
    Kind.ATTRIBUTE: Group.TENSOR,
    Kind.CLASS: Group.MODULES,
    Kind.MODULE: Group.MODULES,
}
_GROUP_OF_FOLDER: Mapping[str, Group] = {
    "functional": Group.FUNCTIONS,
    "init": Group.INIT,
    "modules": Group.MODULES,
    "nn": Group.LAYERS,
    "scaffold": Group.MODULES,
    "tensor": Group.TENSOR,
}


def group_of(kind: Kind, folder: str, strategy: str | None = None) -> Group:
    """Return the group of a rule that names none: by its strategy, its kind or its folder.

    Constants and signatures belong to none: they follow the site that needs them.
    """
    if strategy is not None and "conv" in strategy:
        return Group.CONV
    if folder == "init":
        return Group.INIT
    if kind is Kind.MANUAL:
        return _GROUP_OF_FOLDER.get(folder, Group.NONE)
    return _GROUP_OF_KIND.get(kind, Group.NONE)


class Strategy(StrEnum):
    """How arguments are carried over where `[arguments]` cannot say it."""

    CONV = "conv"
    CONV_TRANSPOSE = "conv-transpose"
    FUNCTIONAL_CONV = "functional-conv"
    FUNCTIONAL_CONV_TRANSPOSE = "functional-conv-transpose"


class RowKind(StrEnum):
    """Which part of the difference table a row belongs to."""

    PARAMETER = "parameter"
    INPUT = "input"


class Action(StrEnum):
    """What the rewrite does about a row."""

    SAME = "same"
    RENAME = "rename"
    CONVERT = "convert"
    DROP = "drop"
    ADDED = "added"


class Verdict(StrEnum):
    """What measurement says of a statement in the documents."""

    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"


class Device(StrEnum):
    """The platform that a limit belongs to."""

    ANY = "any"
    CPU = "cpu"
    GPU = "gpu"
    ASCEND = "ascend"


class Effect(StrEnum):
    """What a limit does to a site: no rewrite for that target, or a remark."""

    MANUAL = "manual"
    FINDING = "finding"


class Recipe(StrEnum):
    """Which of the tool's recipes an example shows."""

    EXACT = "exact"
    TABLE = "table"


@record(frozen=True, slots=True)
class Earlier:
    """A default that releases below `below` had."""

    below: Version
    default: Scalar


@record(frozen=True, slots=True)
class ParameterSpec:
    """One parameter of a signature.

    Exactly one of `required`, `default`, `default_none` and `default_code` (an expression such as
    `mindspore.float32`) is given. `undocumented`: the documents' table has no row for it.
    `annotation`: the kinds of value it takes, as the signature writes them.
    """

    name: str
    required: bool = False
    default: Scalar | None = None
    default_none: bool = False
    default_code: str = ""
    since: Version | None = None
    undocumented: bool = False
    earlier: tuple[Earlier, ...] = ()
    annotation: str = field(default="", metadata=_LATER)
    keyword_only: bool = field(default=False, metadata=_LATER)
    variadic: bool = field(default=False, metadata=_LATER)

    def __post_init__(self) -> None:
        given = (self.required, self.default is not None, self.default_none, self.default_code)
        if sum(map(bool, given)) != 1:
            raise ValueError("needs one of required, default, default_none, default_code")

    @property
    def default_text(self) -> str:
        """Return the default as Python source."""
        return self.default_code or repr(self.default)

    def exists_in(self, version: Version) -> bool:
        """Say whether that release's signature has it."""
        return self.since is None or self.since <= version

    def default_in(self, version: Version) -> Scalar | None:
        """Return that release's default (None also when the default is None or code)."""
        olds = [old for old in self.earlier if version < old.below]
        return min(olds, key=lambda old: old.below).default if olds else self.default


@record(frozen=True, slots=True)
class Signature:
    """What both sides of a rule share: a qualified name and how it is called."""

    api: str
    parameters: tuple[ParameterSpec, ...] = ()
    inputs: tuple[str, ...] = ()

    # What is computed, as formulas (see rules/README.md). `operands` are the inputs as parameters.
    operands: tuple[ParameterSpec, ...] = field(default=(), metadata=_LATER)
    computes: str = field(default="", metadata=_LATER)
    state: Mapping[str, str] = field(default_factory=dict, metadata=_LATER)
    buffers: tuple[str, ...] = field(default=(), metadata=_LATER)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the parameters' names in order."""
        return tuple(parameter.name for parameter in self.parameters)

    def parameter(self, name: str) -> ParameterSpec | None:
        """Return the parameter of that name."""
        return next((p for p in self.parameters if p.name == name), None)

    def known(self, kind: RowKind) -> tuple[str, ...]:
        """Return the names that a row of that kind may use."""
        return self.names if kind is RowKind.PARAMETER else self.inputs


@record(frozen=True, slots=True)
class TorchSide(Signature):
    """The torch API with every qualified name it goes by."""

    spellings: tuple[str, ...] = ()
    rank: int = 0

    def canonical(self, spelling: str) -> str:
        """Return the documented name behind a spelling (a rule may hold several classes)."""
        last = spelling.rpartition(".")[2]
        return next((s for s in self.spellings if s.rpartition(".")[2] == last), self.api)


@record(frozen=True, slots=True)
class MindSporeSide(Signature):
    """The MindSpore API in the newest verified release, with what earlier ones lacked."""

    since: Version | None = None

    def parameters_in(self, version: Version) -> tuple[ParameterSpec, ...]:
        """Return the parameters that release has, in order."""
        return tuple(p for p in self.parameters if p.exists_in(version))


@record(frozen=True, slots=True)
class Unsupported:
    """Values without a counterpart, and why."""

    values: tuple[str, ...]
    reason: str


@record(frozen=True, slots=True)
class ValueMap:
    """Qualified torch values of one parameter and what stands for them."""

    map: Mapping[str, str]
    unsupported: tuple[Unsupported, ...] = ()

    def reason(self, value: str) -> str | None:
        """Return why a value cannot be carried over, if that is known."""
        return next((u.reason for u in self.unsupported if value in u.values), None)


@record(frozen=True, slots=True)
class Row:
    """One row of a difference table; `original` holds the words when they are not English."""

    number: int
    kind: RowKind
    difference: str
    action: Action
    verdict: Verdict
    evidence: str
    torch: str = ""
    mindspore: str = ""
    original: str = ""


@record(frozen=True, slots=True)
class Claim:
    """A statement of the documents (or a trap) outside the table."""

    topic: str
    text: str
    verdict: Verdict
    evidence: str
    original: str = ""


@record(frozen=True, slots=True)
class Raise:
    """An error that an API page documents."""

    error: str
    text: str
    verdict: Verdict
    evidence: str


@record(frozen=True, slots=True)
class Limit:
    """What some platform or release cannot do."""

    when: Condition
    effect: Effect
    text: str
    source: str
    device: Device = Device.ANY
    versions: VersionRange | None = None

    def applies(self, version: Version, device: str = Device.ANY) -> bool:
        """Say whether it concerns that target; its condition is a separate question."""
        here = self.device is Device.ANY or self.device == device
        return here and (self.versions is None or version in self.versions)


@record(frozen=True, slots=True)
class Provenance:
    """Where a rule was transcribed from; `seed` names the copy in tests/seeds."""

    document: str
    branch: str
    section: str
    seed: str = ""


@record(frozen=True, slots=True)
class Example:
    """A call and what becomes of it, or the reason why it stays."""

    before: str
    after: str = ""
    stays: bool = False
    reason: str = ""
    recipe: Recipe = Recipe.EXACT
    target: Version | None = None

    def __post_init__(self) -> None:
        if bool(self.after) == self.stays:
            raise ValueError("needs either after or stays = true")
        if self.stays and not self.reason:
            raise ValueError("needs a reason for what stays")


@record(frozen=True, slots=True)
class Refusal:
    """What has no counterpart: arguments for which the condition holds, and why."""

    when: Condition
    text: str


@record(frozen=True, slots=True)
class Write:
    """Source to write in place of a use, with `{name}` for operands; the first that holds.

    `undecided`: it is right whatever a condition above it would say, which is not known.
    """

    text: str
    when: Condition = field(default_factory=lambda: Condition("always"))
    undecided: bool = False


@record(frozen=True, slots=True)
class Rule:
    """One rule. Kinds without a torch or MindSpore side have a side with an empty `api`.

    `renames` are the `[arguments]` that only take a torch parameter's value under another name,
    `conversions` the others: MindSpore parameter -> expression in torch's parameters.
    """

    id: str
    kind: Kind
    summary: str
    strategy: Strategy | None = None
    remedy: str = ""
    torch: TorchSide = field(default_factory=lambda: TorchSide(""))
    mindspore: MindSporeSide = field(default_factory=lambda: MindSporeSide(""))
    renames: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, ValueMap] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    claims: tuple[Claim, ...] = ()
    raises: tuple[Raise, ...] = ()
    limits: tuple[Limit, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    examples: tuple[Example, ...] = ()
    file: str = ""
    conversions: Mapping[str, str] = field(default_factory=dict, metadata=_LATER)
    manual: tuple[Refusal, ...] = field(default=(), metadata=_LATER)
    drop: Mapping[str, str] = field(default_factory=dict, metadata=_LATER)
    parameters: Mapping[str, str] = field(default_factory=dict, metadata=_LATER)
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata=_LATER)
    samples: Mapping[str, tuple[object, ...]] = field(default_factory=dict, metadata=_LATER)
    write: tuple[Write, ...] = field(default=(), metadata=_LATER)
    methods: Mapping[str, str] = field(default_factory=dict, metadata=_LATER)
    in_place: bool = field(default=False, metadata=_LATER)
    """The method changes its Tensor; what is written gives a new one, to be assigned."""
    named_group: Group | None = field(default=None, metadata={"omit": True})

    @property
    def group(self) -> Group:
        """Return the name under which `--select` knows the rule and its like."""
        folder = self.file.split("/")[-2] if "/" in self.file else ""
        return self.named_group or group_of(self.kind, folder, self.strategy)

    @property
    def unchanged(self) -> frozenset[str]:
        """Return the parameters whose names and usual values mean the same on both sides."""
        same = frozenset(self.torch.names) & {*self.mindspore.names}
        return same - {"padding", *self.values, *self.conversions, *self.drop}

    @property
    def arguments(self) -> Mapping[str, str]:
        """Return what each MindSpore parameter gets: an expression in torch's parameters.

        One that is listed nowhere and that torch has too is carried over; others keep MindSpore's
        default. With a `strategy`, that decides about parameters which are not listed.
        """
        given = {new: old for old, new in self.renames.items()}
        listed = {**given, **self.conversions}
        same = {name for name in self.torch.names if name not in {*self.drop, *self.renames}}
        return {
            name: listed.get(name, name)
            for name in self.mindspore.names
            if name in listed or name in same
        }

    def verdicts(self) -> list[Verdict]:
        """Return the verdict of each statement: rows, claims and documented errors."""
        said = [row.verdict for row in self.rows] + [claim.verdict for claim in self.claims]
        return said + [error.verdict for error in self.raises]

    def matches(self, pattern: str) -> bool:
        """Say whether a `--select` pattern means this rule: id, id prefix or torch name."""
        return bool(pattern) and (self.id.startswith(pattern) or pattern in self.torch.spellings)
