"""The rule loader: what it gives, what it refuses and with which words."""

from __future__ import annotations

import ast
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mapper.rulebook import loader as rulebook
from mapper.rulebook.conditions import Condition, Version, VersionRange
from mapper.rulebook.loader import (
    Rulebook,
    RuleError,
    default_directory,
    load,
    read_rule,
    without_pages,
)
from mapper.rulebook.schema import Effect, Kind, ParameterSpec, Rule, Strategy, Verdict

RULES = load().rules
MIGRATED = [rule for rule in RULES if rule.kind in (Kind.LAYER, Kind.FUNCTION)]
TORCH = [rule for rule in RULES if rule.torch.api]

GOOD = """
id = "TM500"
kind = "layer"
summary = "torch.nn.Thing becomes mindspore.nn.Thing."
strategy = "direct"

[torch]
api = "torch.nn.Thing"
spellings = ["torch.nn.Thing", "torch.nn.modules.Thing"]
rank = 2
inputs = ["input"]
parameters = [
    { name = "size", required = true },
    { name = "rate", default = 0.5 },
    { name = "device", default_none = true, undocumented = true },
]

[mindspore]
api = "mindspore.nn.Thing"
inputs = ["x"]
parameters = [
    { name = "size", required = true },
    { name = "p", default = 0.5, since = "2.2", earlier = [{ below = "2.4", default = 0.1 }] },
]

[renames]
rate = "p"

[values.size.map]
"torch.big" = "mindspore.big"

[[rows]]
number = 1
kind = "parameter"
torch = "size"
mindspore = "size"
difference = "-"
action = "same"
verdict = "confirmed"
evidence = "Tried."

[[rows]]
number = 2
kind = "parameter"
torch = "rate"
mindspore = "p"
difference = "Other name"
action = "rename"
verdict = "contradicted"
evidence = "Tried too."

[[rows]]
number = 1
kind = "input"
torch = "input"
mindspore = "x"
difference = "Other name"
action = "rename"
verdict = "confirmed"
evidence = "Tried."

[[limits]]
device = "ascend"
versions = ">=2.0,<2.1"
when = "size != 1"
effect = "manual"
text = "Not there."
source = "documented"

[[provenance]]
document = "Thing.md"
branch = "r2.1"
section = "Differences"

[[examples]]
before = "nn.Thing(3, rate=1)"
after = "nn.Thing(3, p=1)"
"""


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / "rules" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return directory / "rules"


class TestAGoodRule:
    rule = read_rule(GOOD, "rules/nn/thing.toml")

    def test_says_what_the_file_says(self) -> None:
        assert (self.rule.id, self.rule.kind, self.rule.strategy) == (
            "TM500",
            Kind.LAYER,
            Strategy.DIRECT,
        )
        assert self.rule.file == "rules/nn/thing.toml"
        assert self.rule.torch.names == ("size", "rate", "device")
        assert self.rule.rows[1].verdict is Verdict.CONTRADICTED
        assert self.rule.values["size"].map == {"torch.big": "mindspore.big"}

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
        (
            'kind = "layer"',
            'kind = "stuff"',
            "kind: expected one of 'layer', 'function', 'manual', 'signature', got 'stuff'",
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
            'strategy = "direct"',
            'strategy = "magic"',
            "strategy: expected one of 'direct', 'conv', "
            "'conv-transpose', 'functional-conv', 'functional-conv-transpose', got 'magic'",
        ),
        ('summary = "torch', 'sumary = "torch', "sumary: unknown key; expected one of 'id', "),
        ("rank = 2", "rnak = 2", "torch.rnak: unknown key; expected one of 'api', "),
        ("rank = 2", 'rank = "2"', "torch.rank: expected an integer, got '2'"),
        ("rank = 2", "rank = true", "torch.rank: expected an integer, got True"),
        ('inputs = ["x"]', 'inputs = "x"', "mindspore.inputs: expected an array, got 'x'"),
        ("required = true", 'required = "yes"', "torch.parameters[0].required: expected a boolean"),
        ("default = 0.5 }", "default = [1] }", "torch.parameters[1].default: expected a plain"),
        (
            "default = 0.5 }",
            "required = true, default = 1 }",
            "torch.parameters[1]: needs one of required, default, default_none, default_code",
        ),
        (", default = 0.5 }", " }", "torch.parameters[1]: needs one of required, default, "),
        ('summary = "torch.nn.Thing becomes mindspore.nn.Thing."\n', "", "summary: missing"),
        ('evidence = "Tried too."\n', "", "rows[1].evidence: missing"),
        ('evidence = "Tried too."', 'evidence = ""', "rows[1].evidence: must not be empty"),
        ('strategy = "direct"\n', "", "strategy: missing; a rule of kind 'layer' needs it"),
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
        ('{ name = "rate"', '{ name = "size"', "torch.parameters: 'size' is there twice"),
        ('rate = "p"', 'rate = "q"', "renames.rate: 'q' is not in the MindSpore signature"),
        ('rate = "p"', 'ratio = "p"', "renames.ratio: 'ratio' is not in the torch signature"),
        ("[values.size.map]", "[values.colour.map]", "values.colour: 'colour' is not in the torch"),
        (
            '"size != 1"',
            '"size is odd"',
            "limits[0].when: expected a condition such as 'groups != 1', got 'size is odd'",
        ),
        ('"size != 1"', '"colour != 1"', "limits[0].when: 'colour' is not in the torch signature"),
        ('">=2.0,<2.1"', '"2.0"', "limits[0].versions: expected a range such as '>=2.0,<2.1'"),
        ('since = "2.2"', 'since = "new"', "mindspore.parameters[1].since: expected a version"),
        ('after = "nn.Thing(3, p=1)"', "", "examples[0]: needs either after or stays = true"),
        ('after = "nn.Thing(3, p=1)"', "stays = true", "examples[0]: needs a reason for what"),
        ('id = "TM500"', 'id = "500"', "id: expected 'TM' and three digits, got '500'"),
        ('["torch.nn.Thing", ', "[", "torch.spellings: does not hold the api 'torch.nn.Thing'"),
        ("[renames]", "[renames", "not TOML: "),
    ],
)
def test_a_bad_rule_is_refused_with_file_and_key(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(RuleError) as caught:
        read_rule(GOOD.replace(old, new, 1), "rules/nn/thing.toml")
    assert str(caught.value).startswith(f"rules/nn/thing.toml: {message}")


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
        other = other.replace('"torch.nn.modules', '"torch.other').replace('since = "2.2", ', "")
        book = load(write(tmp_path, "nn/zebra.toml", other))
        with pytest.raises(RuleError, match=r"mindspore.nn.Thing has other parameters in rules/nn"):
            _ = book.rules

    @pytest.mark.parametrize(
        "text",
        [
            GOOD.replace('id = "TM500"', "id = 'TM500'"),
            GOOD.replace('api = "mindspore.nn.Thing"', 'api="mindspore.nn.Thing"'),
            GOOD.replace("spellings = [", "spellings=["),
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

    @pytest.mark.parametrize("name", ["torch.nn.Linear", "torch.nn", "mindspore.nn.Conv2d", ""])
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
        assert load().signature("mindspore.nn.Dense") is None

    def test_a_look_up_parses_only_what_it_needs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parsed: list[str] = []

        def spy(text: str, file: str, *, is_whole: bool = True) -> Rule:
            parsed.append(file)
            return read_rule(text, file, is_whole=is_whole)

        monkeypatch.setattr(rulebook, "read_rule", spy)
        book = Rulebook(default_directory())
        assert book.by_api("torch.nn.Linear") is None
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
        assert read_rule(without_pages(text), rule.file, is_whole=False) == bare

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
            ("TM7", ""),
            ("", ""),
        ],
    )
    def test_selection(self, pattern: str, ids: str) -> None:
        assert [rule.id for rule in load().select(pattern)] == ids.split()


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
        ],
    )
    def test_hold(self, text: str, arguments: dict[str, object], holds: bool | None) -> None:
        assert Condition.parse(text).holds(arguments, 3) is holds

    @pytest.mark.parametrize("text", ["", "groups", "groups = 1", "groups != 1 or x != 2", "f(x)"])
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
        apis = [rule.torch.api for rule in MIGRATED]
        kinds = [f"Conv{r}d" for r in (1, 2, 3)] + [f"ConvTranspose{r}d" for r in (1, 2, 3)]
        names = [f"torch.nn.{kind}" for kind in kinds]
        names += [f"torch.nn.functional.conv{r}d" for r in (1, 2, 3)]
        names += [f"torch.nn.functional.conv_transpose{r}d" for r in (1, 2, 3)]
        assert apis == names

    @pytest.mark.parametrize("rule", MIGRATED, ids=lambda rule: rule.id)
    def test_lie_where_their_name_says(self, rule: Rule) -> None:
        owner, _, name = rule.torch.api.rpartition(".")
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        assert rule.file == f"rules/{owner.rpartition('.')[2]}/{stem}.toml"

    @pytest.mark.parametrize("rule", MIGRATED, ids=lambda rule: rule.id)
    def test_renames_are_what_the_rows_say(self, rule: Rule) -> None:
        pairs = {row.torch: row.mindspore for row in rule.rows if row.torch and row.mindspore}
        changed = {old: new for old, new in pairs.items() if old != new and old in rule.torch.names}
        changed.pop("padding_mode", None)
        assert dict(rule.renames) == changed

    @pytest.mark.parametrize("rule", TORCH, ids=lambda rule: rule.id)
    def test_examples_are_calls_with_known_keywords(self, rule: Rule) -> None:
        for example in rule.examples:
            call = ast.parse(example.before, mode="eval").body
            assert isinstance(call, ast.Call)
            if rule.torch.names:
                assert {k.arg for k in call.keywords} <= set(rule.torch.names)
            if example.after:
                for keywords in target_keywords(example.after, rule):
                    assert keywords <= set(rule.mindspore.names)

    @pytest.mark.parametrize("rule", [r for r in MIGRATED if r.kind is Kind.LAYER], ids=str)
    def test_layers_show_both_what_changes_and_what_stays(self, rule: Rule) -> None:
        assert {example.stays for example in rule.examples} == {True, False}

    @pytest.mark.parametrize("rule", MIGRATED, ids=lambda rule: rule.id)
    def test_evidence_is_a_sentence(self, rule: Rule) -> None:
        written = [row.evidence for row in rule.rows]
        written += [claim.evidence for claim in rule.claims]
        written += [error.evidence for error in rule.raises]
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
            assert read_rule(block, "README.md").strategy is Strategy.DIRECT


def target_keywords(source: str, rule: Rule) -> list[set[str | None]]:
    """Return the keywords of each call of the rule's MindSpore API; there is at least one."""
    last = rule.mindspore.api.rpartition(".")[2]
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr == last]
    assert found, f"{source} does not call {last}"
    return [{keyword.arg for keyword in call.keywords} for call in found]


def test_a_parameter_has_exactly_one_kind_of_default() -> None:
    with pytest.raises(ValueError, match="needs one of"):
        ParameterSpec("x")
