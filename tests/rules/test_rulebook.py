"""The rule loader: what it gives, what it refuses and with which words."""

from __future__ import annotations

import ast
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapper.rulebook import loader as rulebook
from mapper.rulebook.conditions import Condition, Version, VersionRange
from mapper.rulebook.expressions import Reference, evaluate, parse_expression
from mapper.rulebook.loader import (
    Rulebook,
    RuleError,
    default_directory,
    load,
    read_rule,
    without_pages,
)
from mapper.rulebook.schema import Effect, Group, Kind, ParameterSpec, Rule, Verdict

RULES = load().rules
MIGRATED = [rule for rule in RULES if rule.kind in (Kind.LAYER, Kind.FUNCTION)]
TORCH = [rule for rule in RULES if rule.torch.api]
DOCUMENTED = [rule for rule in RULES if rule.rows or rule.claims or rule.raises]

GOOD = """
id = "TM500"
kind = "layer"
summary = "torch.nn.Thing becomes mindspore.nn.Thing."

[torch]
api = "torch.nn.Thing"
aliases = ["torch.nn.modules.Thing"]
rank = 2
signature = "(size: int, rate: float = 0.5, device=None)"
inputs = "(input: Tensor)"
undocumented = ["device"]
computes = "dot(input, weight) * rate"
buffers = ["mean"]

[torch.state]
weight = "uniform(size)"
mean = "zeros(size)"

[mindspore]
api = "mindspore.nn.Thing"
signature = "(size: int, p: float = 0.5)"
inputs = "(x: Tensor)"
computes = "dot(x, gamma) * p"

[mindspore.state]
gamma = "uniform(size)"

[mindspore.since]
p = "2.2"

[mindspore.earlier]
p = { "<2.4" = "0.1" }

[arguments]
p = "1 - rate"

[manual]
"rate is None" = "Give a number."

[drop]
device = "placement belongs to the context"

[parameters]
weight = "gamma"
mean = ""

[inputs]
input = ["(3, size)"]

[samples]
size = [4, 3]

[values.size.map]
"torch.big" = "mindspore.big"

[[limits]]
device = "ascend"
versions = ">=2.0,<2.1"
when = "size != 1"
effect = "manual"
text = "Not there."
source = "documented"

[[examples]]
before = "nn.Thing(3, rate=1)"
after = "nn.Thing(3, p=0)"
"""

PAGE = """
[evidence]
tried = "Tried by hand."

[[rows]]
number = 1
kind = "parameter"
torch = "size"
mindspore = "size"
difference = "-"
action = "same"
verdict = "confirmed"
evidence = "@tried"

[[rows]]
number = 2
kind = "parameter"
torch = "rate"
mindspore = "p"
difference = "Other name"
action = "rename"
verdict = "contradicted"
evidence = "@tried With care."

[[rows]]
number = 1
kind = "input"
torch = "input"
mindspore = "x"
difference = "Other name"
action = "rename"
verdict = "confirmed"
evidence = "Tried."

[[provenance]]
document = "Thing.md"
branch = "r2.1"
section = "Differences"
"""


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / "rules" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return directory / "rules"


class TestAGoodRule:
    rule = read_rule(GOOD, "rules/nn/thing.toml", page=PAGE)

    def test_says_what_the_file_says(self) -> None:
        assert (self.rule.id, self.rule.kind, self.rule.strategy) == (
            "TM500",
            Kind.LAYER,
            None,
        )
        assert self.rule.file == "rules/nn/thing.toml"
        assert self.rule.torch.names == ("size", "rate", "device")
        assert self.rule.rows[1].verdict is Verdict.CONTRADICTED
        assert self.rule.values["size"].map == {"torch.big": "mindspore.big"}
        assert self.rule.torch.spellings == ("torch.nn.Thing", "torch.nn.modules.Thing")
        assert self.rule.torch.inputs == ("input",)
        assert self.rule.group is Group.LAYERS

    def test_says_what_each_argument_becomes(self) -> None:
        assert self.rule.arguments == {"size": "size", "p": "1 - rate"}
        assert self.rule.unchanged == {"size"} - {*self.rule.values}

    def test_has_its_evidence_in_full(self) -> None:
        assert [row.evidence for row in self.rule.rows] == [
            "Tried by hand.",
            "Tried by hand. With care.",
            "Tried.",
        ]

    def test_knows_what_a_release_had(self) -> None:
        spec = self.rule.mindspore.parameter("p")
        assert spec is not None
        assert not spec.exists_in(Version(2, 1))
        assert [spec.default_in(Version(2, minor)) for minor in (3, 4, 10)] == [0.1, 0.5, 0.5]
        assert [p.name for p in self.rule.mindspore.parameters_in(Version(2, 1))] == ["size"]

    def test_applies_its_limits_to_their_target_only(self) -> None:
        (limit,) = self.rule.limits
        assert limit.applies(Version(2, 0), "ascend")
        assert not limit.applies(Version(2, 0), "cpu")
        assert not limit.applies(Version(2, 0))
        assert not limit.applies(Version(2, 1), "ascend")

    def test_pickles(self) -> None:
        assert pickle.loads(pickle.dumps(self.rule)) == self.rule


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'kind = "layer"',
            'kind = "stuff"',
            "kind: expected one of 'layer', 'function', 'method', 'attribute', 'class', "
            "'constant', 'module', 'manual', 'signature', got 'stuff'",
        ),
        (
            'effect = "manual"',
            'effect = "boom"',
            "limits[0].effect: expected one of 'manual', 'finding', got 'boom'",
        ),
        (
            'device = "ascend"',
            'device = "tpu"',
            "limits[0].device: expected one of 'any', 'cpu', 'gpu', 'ascend', got 'tpu'",
        ),
        (
            'kind = "layer"',
            'kind = "layer"\nstrategy = "magic"',
            "strategy: expected one of 'conv', "
            "'conv-transpose', 'functional-conv', 'functional-conv-transpose', got 'magic'",
        ),
        (
            'kind = "layer"',
            'kind = "layer"\ngroup = "stuff"',
            "group: expected one of 'conv', 'layers', 'functions', 'tensor', ",
        ),
        ('summary = "torch', 'sumary = "torch', "sumary: unknown key; expected one of 'id', "),
        ("rank = 2", "rnak = 2", "torch.rnak: unknown key; expected one of 'api', "),
        ("rank = 2", 'rank = "2"', "torch.rank: expected an integer, got '2'"),
        ("rank = 2", "rank = true", "torch.rank: expected an integer, got True"),
        ('api = "torch.nn.Thing"\n', "", "torch.api: missing"),
        ('aliases = ["', 'aliases = "', "not TOML: "),
        (
            '"(size: int, rate: float = 0.5, device=None)"',
            '"size, rate"',
            "torch.signature: expected a signature such as '(size: int = 1)', got 'size, rate'",
        ),
        ("device=None)", "**more)", "torch.signature: `**more` cannot be bound"),
        ('"(x: Tensor)"', '"x: Tensor"', "mindspore.inputs: expected a signature such as"),
        ('inputs = "(x: Tensor)"', "inputs = []", "mindspore.inputs: expected a string, got []"),
        ('["device"]', '["devise"]', "torch.signature: 'devise' is not in the signature (size"),
        ('"0.1" }', '"[1]" }', "mindspore.earlier: expected a plain value, got [1]"),
        ('"<2.4"', '">2.4"', "mindspore.earlier: expected a table such as {'<2.1' = "),
        ('p = { "<2.4"', 'q = { "<2.4"', "mindspore.signature: 'q' is not in the signature"),
        ('p = "2.2"', 'p = "new"', "mindspore.since.p: expected a version such as"),
        ("rate: float", "size: float", "torch.signature: "),
        ('p = "1 - rate"', 'q = "1 - rate"', "arguments.q: 'q' is not in the MindSpore signature"),
        ('"1 - rate"', '"1 - ratio"', "arguments.p: 'ratio' is not in the torch signature"),
        ('"1 - rate"', '"1 -"', "arguments.p: not an expression: '1 -'"),
        ('"1 - rate"', '"f(rate)"', "arguments.p: not understood in 'f(rate)': `f(rate)`"),
        (
            'p = "1 - rate"\n',
            "",
            "torch.signature: nothing becomes of 'rate': MindSpore has no such parameter; "
            "put it into [arguments] or [drop]",
        ),
        ("device=None", "device=None, extra=1", "torch.signature: nothing becomes of 'extra'"),
        ("p: float = 0.5", "p=0.5, *, q", "mindspore.signature: nothing gives 'q' a value"),
        ('device = "placement', 'devise = "placement', "drop.devise: 'devise' is not in the"),
        ('device = "placement', 'rate = "placement', "drop.rate: [arguments] uses it"),
        ('"rate is None"', '"ratio is None"', "manual.ratio is None: 'ratio' is not in the torch"),
        ('"rate is None"', '"rate is odd"', "manual.rate is odd: expected a condition such as"),
        ("input = [", "image = [", "inputs.image: 'image' is not in the torch signature"),
        ("size = [4", "sizes = [4", "samples.sizes: 'sizes' is not in the torch signature"),
        ('"dot(input, ', '"dot(inputs, ', "torch.computes: 'inputs' is no parameter, no input and"),
        ('"dot(input, ', '"dot(input ', "torch.computes: not a formula: "),
        ('"zeros(size)"', '"zeros(sizes)"', "torch.state.mean: 'sizes' is no parameter, no input"),
        ('["mean"]', '["median"]', "torch.buffers: 'median' is not in [state]"),
        ('weight = "gamma"', 'weight = "beta"', "parameters.weight: 'beta' is not in [mind"),
        ('weight = "gamma"', 'bias = "gamma"', "parameters.bias: 'bias' is not in [torch.state]"),
        ('mean = ""', "", "parameters: lacks 'mean', which is in [torch.state]"),
        ("[values.size.map]", "[values.colour.map]", "values.colour: 'colour' is not in the torch"),
        (
            '"size != 1"',
            '"size is odd"',
            "limits[0].when: expected a condition such as 'groups != 1', got 'size is odd'",
        ),
        ('"size != 1"', '"colour != 1"', "limits[0].when: 'colour' is not in the torch signature"),
        ('">=2.0,<2.1"', '"2.0"', "limits[0].versions: expected a range such as '>=2.0,<2.1'"),
        ('after = "nn.Thing(3, p=0)"', "", "examples[0]: needs either after or stays = true"),
        ('after = "nn.Thing(3, p=0)"', "stays = true", "examples[0]: needs a reason for what"),
        (
            '[[examples]]\nbefore = "nn.Thing(3, rate=1)"\nafter = "nn.Thing(3, p=0)"',
            "",
            "examples: missing; a rule of kind 'layer' needs it",
        ),
        ('id = "TM500"', 'id = "500"', "id: expected 'TM' and three or four digits, got '500'"),
        ("[arguments]", "[arguments", "not TOML: "),
        (
            "[values.size.map]",
            '[[write]]\ntext = "{self}.p[{rates}]"\n\n[values.size.map]',
            "write[0].text: 'rates' is not in the torch signature",
        ),
        (
            "[values.size.map]",
            '[[write]]\nwhen = "ratio is None"\ntext = "{self}"\n\n[values.size.map]',
            "write[0].when: 'ratio' is not in the torch signature",
        ),
        (
            "[values.size.map]",
            '[[write]]\ntext = "{self}.[{rate}]"\n\n[values.size.map]',
            "write[0].text: not an expression: '{self}.[{rate}]'",
        ),
    ],
)
def test_a_bad_rule_is_refused_with_file_and_key(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RuleError) as caught:
        read_rule(GOOD.replace(old, new, 1), "rules/nn/thing.toml", page=PAGE)
    assert str(caught.value).startswith(f"rules/nn/thing.toml: {message}")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"contradicted"',
            '"maybe"',
            "rows[1].verdict: expected one of 'confirmed', 'contradicted', got 'maybe'",
        ),
        (
            'action = "same"',
            'action = "keep"',
            "rows[0].action: expected one of 'same', "
            "'rename', 'convert', 'drop', 'added', got 'keep'",
        ),
        ('evidence = "@tried With care."\n', "", "rows[1].evidence: missing"),
        ('"@tried With care."', '""', "rows[1].evidence: must not be empty"),
        ('"@tried With', '"@tired With', "rows[1].evidence: no [evidence] above is named 'tired'"),
        (
            'torch = "rate"',
            'torch = "ratio"',
            "rows[1].torch: 'ratio' is not in the torch signature",
        ),
        (
            'mindspore = "p"',
            'mindspore = "q"',
            "rows[1].mindspore: 'q' is not in the MindSpore signature",
        ),
        ('mindspore = "x"', 'mindspore = "p"', "rows[2].mindspore: 'p' is not in the MindSpore"),
        ("number = 2", "number = 3", "rows: the parameter rows are numbered [1, 3], expected"),
        ('torch = "rate"\n', "", "rows: no row covers the torch parameter 'rate'"),
        ('mindspore = "p"\n', "", "rows: no row covers the mindspore parameter 'p'"),
        ('mindspore = "x"\n', "", "rows: no row covers the mindspore input 'x'"),
        ("[[provenance]]", "[[sources]]", "sources: unknown key; expected one of 'evidence', "),
        ("[evidence]", "[evidence", "not TOML: "),
    ],
)
def test_a_bad_page_is_refused_with_file_and_key(old: str, new: str, message: str) -> None:
    assert old in PAGE
    with pytest.raises(RuleError) as caught:
        read_rule(GOOD, "rules/nn/thing.toml", page=PAGE.replace(old, new, 1))
    assert str(caught.value).startswith(f"rules/nn/thing.doc.toml: {message}")


class TestTheWholeDirectory:
    def test_two_rules_cannot_share_an_id(self, tmp_path: Path) -> None:
        write(tmp_path, "nn/thing.toml", GOOD)
        directory = write(tmp_path, "nn/zebra.toml", GOOD.replace("Thing", "Zebra"))
        with pytest.raises(RuleError) as caught:
            load(directory)
        assert str(caught.value) == (
            "rules/nn/zebra.toml: id: 'TM500' is also in rules/nn/thing.toml"
        )

    def test_two_rules_cannot_share_a_torch_name(self, tmp_path: Path) -> None:
        write(tmp_path, "nn/thing.toml", GOOD)
        directory = write(tmp_path, "nn/zebra.toml", GOOD.replace("TM500", "TM501"))
        with pytest.raises(RuleError, match=r"'torch.nn.Thing' is also in rules/nn/thing.toml"):
            load(directory)

    def test_two_rules_must_agree_on_a_mindspore_signature(self, tmp_path: Path) -> None:
        write(tmp_path, "nn/thing.toml", GOOD)
        other = GOOD.replace("TM500", "TM501").replace("torch.nn.", "torch.other.")
        other = other.replace('p = "2.2"', 'p = "2.3"')
        book = load(write(tmp_path, "nn/zebra.toml", other))
        with pytest.raises(RuleError, match=r"mindspore.nn.Thing has other parameters in rules/nn"):
            _ = book.rules

    @pytest.mark.parametrize(
        "text",
        [
            GOOD.replace('id = "TM500"', "id = 'TM500'"),
            GOOD.replace('api = "mindspore.nn.Thing"', 'api="mindspore.nn.Thing"'),
            GOOD.replace("aliases = [", "aliases=["),
        ],
    )
    def test_a_layout_that_would_hide_a_rule_is_refused(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(RuleError, match=r"rules/nn/thing.toml: .* must stand in a line"):
            _ = load(write(tmp_path, "nn/thing.toml", text)).rules

    def test_is_found_beside_the_module_in_a_wheel(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "mapper"
        package.mkdir()
        monkeypatch.setattr(rulebook, "__file__", str(package / "rulebook" / "loader.py"))
        assert default_directory() == tmp_path / "rules"
        (package / "rules").mkdir()
        assert default_directory() == package / "rules"

    def test_is_read_once_per_process(self) -> None:
        assert load() is load()


class TestLookUp:
    @pytest.mark.parametrize("rule", TORCH, ids=lambda rule: rule.id)
    def test_every_spelling_leads_to_its_rule(self, rule: Rule) -> None:
        for spelling in rule.torch.spellings:
            assert load().by_api(spelling) is rule

    @pytest.mark.parametrize("name", ["torch.nn.Nothing", "torch.nn", "mindspore.nn.Conv2d", ""])
    def test_what_no_rule_knows_is_none(self, name: str) -> None:
        assert load().by_api(name) is None

    def test_by_id(self) -> None:
        assert [load().by_id(rule.id) for rule in RULES] == list(RULES)
        assert load().by_id("TM1") is None

    def test_canonical_names(self) -> None:
        lazy = load().by_api("torch.nn.modules.conv.LazyConv2d")
        assert lazy is not None
        assert lazy.torch.canonical("torch.nn.modules.conv.LazyConv2d") == "torch.nn.LazyConv2d"
        function = load().by_api("torch.conv2d")
        assert function is not None
        assert function.torch.canonical("torch.conv2d") == "torch.nn.functional.conv2d"

    def test_mindspore_signatures(self) -> None:
        pad = load().signature("mindspore.nn.Pad")
        assert pad is not None
        assert pad.names == ("paddings", "mode")
        assert load().signature("mindspore.nn.Nothing") is None

    def test_a_look_up_parses_only_what_it_needs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parsed: list[str] = []

        def spy(text: str, file: str, **how: Any) -> Rule:
            parsed.append(file)
            return read_rule(text, file, **how)

        monkeypatch.setattr(rulebook, "read_rule", spy)
        book = Rulebook(default_directory())
        assert book.by_api("torch.nn.Nothing") is None
        assert parsed == []
        book.by_api("torch.nn.Conv2d")
        book.by_api("torch.nn.modules.Conv2d")
        assert parsed == ["rules/nn/conv2d.toml"]
        book.working("torch.nn.Conv2d")
        book.working("torch.nn.Conv1d")
        book.working("torch.nn.Conv1d")
        assert parsed == ["rules/nn/conv2d.toml", "rules/nn/conv1d.toml"]

    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
    def test_to_work_with_a_rule_lacks_only_what_the_pages_show(self, rule: Rule) -> None:
        text = (default_directory().parent / rule.file).read_text("utf-8")
        bare = replace(rule, rows=(), claims=(), raises=(), provenance=(), examples=())
        text = without_pages(text)
        assert read_rule(text, rule.file, rank=rule.torch.rank, is_whole=False) == bare

    @pytest.mark.parametrize(
        ("pattern", "ids"),
        [
            ("TM101", "TM101"),
            ("TM10", "TM100 TM101 TM102 TM103 TM104 TM105"),
            ("TM2", "TM200 TM201 TM202 TM203 TM204 TM205"),
            ("torch.nn.Conv2d", "TM101"),
            ("torch.nn.modules.conv.Conv2d", "TM101"),
            ("torch.nn.LazyConv3d", "TM120"),
            ("torch.nn.Conv", ""),
            ("TM777", ""),
            ("", ""),
        ],
    )
    def test_selection(self, pattern: str, ids: str) -> None:
        assert [rule.id for rule in load().select(pattern)] == ids.split()


FAMILY = """
id = "TM60{n}"
kind = "layer"
ranks = [1, 2]

[torch]
api = "torch.nn.Thing{n}d"
aliases = ["torch.nn.modules.Thing{n}d"]
signature = "(size: int)"
inputs = "(input: Tensor)"

[torch.state]
weight = "ones(size)"

[mindspore]
api = "mindspore.nn.Thing{n}d"
signature = "(size: int, extra=None)"
inputs = "(x: Tensor)"

[mindspore.state]
gamma = "ones(size)"

[parameters]
weight = "gamma"

[rank.2.mindspore]
signature = "(size: int)"

[rank.2.mindspore.state]
"inner.gamma" = "ones(size)"

[rank.2.parameters]
weight = "inner.gamma"

[[examples]]
before = "nn.Thing{n}d(3)"
after = "nn.Thing{n}d(3)"
"""


class TestAFamilyOfRanks:
    def test_is_a_rule_for_each(self, tmp_path: Path) -> None:
        book = load(write(tmp_path, "nn/thing.toml", FAMILY))
        assert [rule.id for rule in book.rules] == ["TM601", "TM602"]
        one, two = book.rules
        assert one.torch.spellings == ("torch.nn.Thing1d", "torch.nn.modules.Thing1d")
        assert [rule.torch.rank for rule in book.rules] == [1, 2]
        assert (one.examples[0].before, one.summary) == (
            "nn.Thing1d(3)",
            "torch.nn.Thing1d becomes mindspore.nn.Thing1d.",
        )
        assert two.mindspore.api == "mindspore.nn.Thing2d"

    def test_may_replace_whole_tables_for_one_rank(self, tmp_path: Path) -> None:
        one, two = load(write(tmp_path, "nn/thing.toml", FAMILY)).rules
        assert (one.mindspore.names, two.mindspore.names) == (("size", "extra"), ("size",))
        assert (list(one.mindspore.state), list(two.mindspore.state)) == (
            ["gamma"],
            ["inner.gamma"],
        )
        assert two.parameters == {"weight": "inner.gamma"}
        assert two.mindspore.inputs == ("x",)

    @pytest.mark.parametrize(
        "look", [lambda b, n: b.by_api(n), lambda b, n: b.working(n)], ids=["whole", "working"]
    )
    def test_is_looked_up_one_by_one(self, tmp_path: Path, look: Any) -> None:
        book = load(write(tmp_path, "nn/thing.toml", FAMILY))
        assert look(book, "torch.nn.modules.Thing2d").id == "TM602"
        assert look(book, "torch.nn.Thing1d").id == "TM601"

    def test_has_a_page_for_each(self, tmp_path: Path) -> None:
        page = '[[provenance]]\ndocument = "Thing{n}d.md"\nbranch = "r2"\nsection = "all"\n'
        write(tmp_path, "nn/thing.doc.toml", page)
        book = load(write(tmp_path, "nn/thing.toml", FAMILY))
        assert [rule.provenance[0].document for rule in book.rules] == ["Thing1d.md", "Thing2d.md"]

    def test_has_no_ranks_but_its_own(self) -> None:
        with pytest.raises(RuleError, match=r"thing.toml: rank: '3' is not one of the ranks"):
            read_rule(FAMILY.replace("rank.2.par", "rank.3.par"), "rules/nn/thing.toml")


class TestNames:
    def book(self, directory: Path) -> Rulebook:
        write(directory, "nn/thing.toml", GOOD)
        method = GOOD.replace("TM500", "TM501").replace("torch.nn.", "torch.Tensor.")
        write(directory, "tensor/thing.toml", method.replace('"layer"', '"method"'))
        init = GOOD.replace("TM500", "TM502").replace("torch.nn.", "torch.nn.init.")
        return load(write(directory, "init/thing.toml", init.replace('"layer"', '"function"')))

    def test_are_every_api_and_alias(self, tmp_path: Path) -> None:
        assert list(self.book(tmp_path).names()) == [
            "torch.nn.init.Thing",
            "torch.nn.init.modules.Thing",
            "torch.nn.Thing",
            "torch.nn.modules.Thing",
            "torch.Tensor.Thing",
            "torch.Tensor.modules.Thing",
        ]

    @pytest.mark.parametrize(
        ("kinds", "groups", "ids"),
        [
            (Kind, Group, "TM502 TM500 TM501"),
            ([Kind.METHOD], Group, "TM501"),
            ([Kind.LAYER, Kind.FUNCTION], Group, "TM502 TM500"),
            (Kind, [Group.INIT], "TM502"),
            (Kind, [Group.LAYERS, Group.TENSOR], "TM500 TM501"),
            ([Kind.LAYER], [Group.TENSOR], ""),
        ],
    )
    def test_by_kind_and_group(self, tmp_path: Path, kinds: Any, groups: Any, ids: str) -> None:
        found = self.book(tmp_path).names(kinds, groups)
        assert list(dict.fromkeys(entry.id for entry in found.values())) == ids.split()

    def test_say_where_the_rule_is_without_parsing_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rulebook, "read_rule", None)
        entry = self.book(tmp_path).names()["torch.nn.modules.Thing"]
        assert (entry.api, entry.target) == ("torch.nn.Thing", "mindspore.nn.Thing")

    @pytest.mark.parametrize("rule", TORCH, ids=lambda rule: rule.id)
    def test_agree_with_the_rules(self, rule: Rule) -> None:
        entry = load().names()[rule.torch.api]
        assert (entry.id, entry.kind, entry.group) == (rule.id, rule.kind, rule.group)

    def test_a_mindspore_name_leads_to_a_rule(self) -> None:
        found = load().by_target("mindspore.nn.Conv2d")
        assert found is not None
        assert found.id == "TM101"
        assert load().by_target("torch.nn.Conv2d") is None


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("1 - rate", {"rate": 0.9}, 0.1),
        ("1 - rate", {"rate": 1}, 0),
        ("alpha / size", {"alpha": 1e-4, "size": 5}, 2e-5),
        ("size / 2", {"size": 3}, 1.5),
        ("size // 2", {"size": 5}, 2),
        ("a if a is not None else b", {"a": None, "b": 3}, 3),
        ("(a,) if isinstance(a, int) else a", {"a": 3}, (3,)),
        ("mode == 'tanh'", {"mode": "none"}, False),
        ("stride or kernel", {"stride": None, "kernel": 2}, 2),
        ("tuple(sizes)", {"sizes": [1, 2]}, (1, 2)),
        ("mindspore.float32", {}, Reference("mindspore.float32")),
    ],
)
def test_expressions_are_computed_with_decimals(
    text: str, values: dict[str, object], result: object
) -> None:
    found = evaluate(parse_expression(text), values)
    assert (type(found), found) == (type(result), result)


class TestConditions:
    @pytest.mark.parametrize(
        ("text", "arguments", "holds"),
        [
            ("always", {}, True),
            ("groups != 1", {"groups": 1}, False),
            ("groups != 1", {"groups": 2}, True),
            ("groups != 1", {}, None),
            ("groups != 1 and groups != in_channels", {"groups": 4, "in_channels": 4}, False),
            ("groups != 1 and groups != in_channels", {"groups": 2, "in_channels": 4}, True),
            ("groups != 1 and groups != in_channels", {"groups": 1}, False),
            ("groups != 1 and groups != in_channels", {"groups": 2}, None),
            ("dilation[0] != 1", {"dilation": (1, 2, 2)}, False),
            ("dilation[0] != 1", {"dilation": 2}, True),
            ("dilation != 1", {"dilation": (1, 1, 2)}, True),
            ("padding >= kernel_size", {"padding": 1, "kernel_size": (3, 3, 1)}, True),
            ("padding >= kernel_size", {"padding": [1, 1, 0], "kernel_size": (3, 3, 1)}, False),
            ("padding >= kernel_size", {"padding": "same", "kernel_size": 3}, False),
            ("padding >= kernel_size", {"padding": 1}, None),
            ("volume(kernel_size) > 343", {"kernel_size": 7}, False),
            ("volume(kernel_size) > 343", {"kernel_size": (7, 7, 8)}, True),
            ("padding_mode == 'circular'", {"padding_mode": "circular"}, True),
            ("padding_mode == 'circular'", {"padding_mode": "zeros"}, False),
            ("dtype == torch.bfloat16", {"dtype": "torch.bfloat16"}, True),
            ("dtype == torch.bfloat16", {"dtype": None}, False),
            ("momentum is None", {"momentum": None}, True),
            ("momentum is None", {"momentum": 0.1}, False),
            ("momentum is None", {}, None),
            ("momentum is not None and momentum < 0.5", {"momentum": None}, False),
            ("momentum is not None and momentum <= 0.5", {"momentum": 0.5}, True),
            ("affine", {"affine": True}, True),
            ("not affine", {"affine": True}, False),
            ("not affine", {}, None),
            ("not affine and groups == 1", {"groups": 2}, False),
            ("not affine and groups == 1", {"groups": 1}, None),
            ("mode in ('a', 'b')", {"mode": "b"}, True),
            ("mode not in ('a', 'b')", {"mode": "b"}, False),
            ("isinstance(shape, (tuple, list))", {"shape": (1,)}, True),
            ("isinstance(shape, int)", {}, None),
            ("known(shape)", {}, False),
            ("not known(shape) and mode == 'a'", {"mode": "a"}, True),
            ("known(shape)", {"shape": None}, True),
        ],
    )
    def test_hold(self, text: str, arguments: dict[str, object], holds: bool | None) -> None:
        assert Condition.parse(text).holds(arguments, 3) is holds

    @pytest.mark.parametrize(
        ("text", "pad", "holds"),
        [
            ("pad[0] < 0", (-1, 1), True),
            ("pad[1] < 0", (1, -1), True),
            ("pad[3] < 0", [0, 0, 0, -2], True),
            ("pad[1] < 0", (1, 1), False),
            ("pad[3] < 0", (1, -1), False),
        ],
    )
    def test_of_one_element_hold_where_there_are_no_axes(
        self, text: str, pad: object, holds: bool
    ) -> None:
        assert Condition.parse(text).holds({"pad": pad}) is holds

    @pytest.mark.parametrize("text", ["", "groups = 1", "groups != 1 or x != 2", "f(x)"])
    def test_nothing_else_is_understood(self, text: str) -> None:
        with pytest.raises(ValueError, match="expected a condition"):
            Condition.parse(text)


class TestVersions:
    def test_are_ordered_as_numbers(self) -> None:
        assert Version.parse("2.10") > Version.parse("2.9.1")
        assert str(Version.parse("2.10.0")) == "2.10"

    @pytest.mark.parametrize("text", [">=2.0,<2.1", "<2.1", ">=2.7"])
    def test_ranges_print_as_written(self, text: str) -> None:
        assert str(VersionRange.parse(text)) == text

    def test_ranges_contain_their_start_only(self) -> None:
        inside = VersionRange.parse(">=2.0,<2.1")
        assert [Version(2, minor) in inside for minor in (0, 1)] == [True, False]


class TestTheRules:
    def test_there_is_one_per_convolution(self) -> None:
        apis = [rule.torch.api for rule in MIGRATED if rule.group is Group.CONV]
        kinds = [f"Conv{r}d" for r in (1, 2, 3)] + [f"ConvTranspose{r}d" for r in (1, 2, 3)]
        names = [f"torch.nn.{kind}" for kind in kinds]
        names += [f"torch.nn.functional.conv{r}d" for r in (1, 2, 3)]
        names += [f"torch.nn.functional.conv_transpose{r}d" for r in (1, 2, 3)]
        assert apis == names

    @pytest.mark.parametrize("rule", MIGRATED, ids=lambda rule: rule.id)
    def test_lie_where_their_name_says(self, rule: Rule) -> None:
        owner, _, name = rule.torch.api.rpartition(".")
        stems = name.lower().replace("_", ""), re.sub(r"\dd$", "", name).lower()
        folder = f"rules/{owner.rpartition('.')[2]}".replace("_", "")
        assert rule.file.replace("_", "") in [f"{folder}/{stem}.toml" for stem in stems]

    @pytest.mark.parametrize("rule", TORCH, ids=lambda rule: rule.id)
    def test_examples_are_calls_with_known_keywords(self, rule: Rule) -> None:
        for example in rule.examples:
            use = ast.parse(example.before, mode="eval").body
            if rule.kind in (Kind.LAYER, Kind.FUNCTION, Kind.METHOD):
                calls = [node for node in ast.walk(use) if isinstance(node, ast.Call)]
                assert calls
                if rule.torch.names and calls[0] is use:
                    assert {k.arg for k in calls[0].keywords} <= set(rule.torch.names)
            # an open argument list goes through an inserted function with torch's arguments
            is_own = example.after and not example.after.startswith(("Torch", "pt_"))
            if is_own and rule.kind in (Kind.LAYER, Kind.FUNCTION) and not rule.write:
                for keywords in target_keywords(example.after, rule):
                    assert keywords <= set(rule.mindspore.names)

    @pytest.mark.parametrize(
        "rule",
        [r for r in MIGRATED if r.kind is Kind.LAYER and r.strategy],
        ids=lambda rule: rule.id,
    )
    def test_layers_show_both_what_changes_and_what_stays(self, rule: Rule) -> None:
        assert {example.stays for example in rule.examples} == {True, False}

    @pytest.mark.parametrize("rule", DOCUMENTED, ids=lambda rule: rule.id)
    def test_evidence_is_a_sentence(self, rule: Rule) -> None:
        written = [row.evidence for row in rule.rows]
        written += [claim.evidence for claim in rule.claims]
        written += [error.evidence for error in rule.raises]
        assert written
        assert all(len(evidence.split()) >= 4 for evidence in written)

    def test_the_table_s_known_errors_are_marked(self) -> None:
        marked = {
            (rule.id, claim.topic)
            for rule in RULES
            for claim in rule.claims
            if claim.verdict is Verdict.CONTRADICTED
        }
        assert marked >= {(f"TM10{r}", "same-odd-side") for r in (0, 1, 2)}
        assert marked >= {(f"TM10{r}", "same-equals-output-padding") for r in (3, 4, 5)}
        assert marked >= {(f"TM10{r}", "valid-short-kernel") for r in (3, 4, 5)}
        assert marked >= {("TM100", "reflect-recipe"), ("TM101", "reflect-recipe")}
        assert marked >= {("TM101", "padding-int-only"), ("TM102", "padding-int-only")}
        assert ("TM104", "pad-after-for-output-padding") in marked

    @pytest.mark.parametrize(
        ("identifier", "device", "version", "arguments"),
        [
            ("TM102", "ascend", "2.10", {"groups": 2}),
            ("TM105", "ascend", "2.10", {"groups": 2}),
            ("TM105", "any", "2.0", {"groups": 2}),
            ("TM105", "any", "2.10", {"dilation": 2}),
            ("TM105", "any", "2.10", {"kernel_size": 8}),
            ("TM101", "ascend", "2.10", {"padding_mode": "circular"}),
            ("TM101", "cpu", "2.10", {"dtype": "torch.bfloat16"}),
        ],
    )
    def test_what_raises_for_a_target_is_manual(
        self, identifier: str, device: str, version: str, arguments: dict[str, object]
    ) -> None:
        rule = load().by_id(identifier)
        assert rule is not None
        applying = [x for x in rule.limits if x.applies(Version.parse(version), device)]
        hits = [x for x in applying if x.when.holds(arguments, rule.torch.rank)]
        assert Effect.MANUAL in [limit.effect for limit in hits]

    def test_the_manual_gives_a_rule_that_loads(self) -> None:
        text = (default_directory() / "README.md").read_text(encoding="utf-8")
        blocks = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        assert blocks
        for block in blocks:
            assert read_rule(block, "README.md").strategy is None

    def test_the_walk_through_gives_a_new_rule_with_its_page(self) -> None:
        text = (default_directory().parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
        rule, *_, page = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        found = read_rule(rule, "rules/nn/gaussian_nll_loss.toml", page=page)
        assert found.provenance and found.claims
        assert load().by_id(found.id) is None
        assert not any(map(load().by_api, found.torch.spellings))


def target_keywords(source: str, rule: Rule) -> list[set[str | None]]:
    """Return the keywords of each call of the rule's MindSpore API; there is at least one."""
    last = rule.mindspore.api.rpartition(".")[2]
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = [c for c in calls if getattr(c.func, "attr", getattr(c.func, "id", "")) == last]
    assert found, f"{source} does not call {last}"
    return [{keyword.arg for keyword in call.keywords} for call in found]


def test_a_parameter_has_exactly_one_kind_of_default() -> None:
    with pytest.raises(ValueError, match="needs one of"):
        ParameterSpec("x")
