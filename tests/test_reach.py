"""Which layers an expression may stand for, through the names of several files."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mapper.analysis.reach import FileNames, Place, Reach, Search, Value
from mapper.analysis.walk import walk

BLOCK = "class Block:\n    def __init__(self):\n        self.conv = {}()\n"
MADE = BLOCK.format("layer")
OTHER = BLOCK.format("other")
USED = "net = Block()\nuse(net.conv)\n"
INSIDE = "net = Block()\nfor one in net.modules():\n    use(one)\n"

LEADS = {
    "the file's own class": {"a.py": MADE + USED},
    "all that is in the file's own class": {"a.py": MADE + INSIDE},
    "all that is in an imported class": {"a.py": MADE, "b.py": "from a import Block\n" + INSIDE},
    "all that is in an heir of the same name": {
        "a.py": MADE,
        "b.py": "import a\nclass Block(a.Block):\n    pass\n" + INSIDE,
    },
    "a class that is imported": {"a.py": MADE, "b.py": "from a import Block\n" + USED},
    "a class that may be imported or defined": {
        "a.py": MADE,
        "b.py": f"try:\n    from a import Block\nexcept ImportError:\n    pass\n{OTHER}{USED}",
    },
    "a class under another name": {
        "a.py": MADE,
        "b.py": OTHER.replace("Block", "Own") + "from a import Block as Own\nnet = Own()\n"
        "use(net.conv)\n",
    },
    "a class from a star": {"a.py": MADE, "b.py": OTHER + "from a import *\n" + USED},
    "a class that a module holds": {
        "a.py": MADE,
        "b.py": OTHER + "import a\nuse(a.Block().conv)\n",
    },
    "a class that another file sets": {
        "a.py": MADE,
        "b.py": OTHER + USED,
        "c.py": "import a, b\nb.Block = a.Block\n",
    },
    "a class that a function is given under the name": {
        "a.py": MADE,
        "b.py": f"{OTHER}def f(Block):\n    use(Block().conv)\n",
        "c.py": "import a\nfrom b import f\nf(a.Block)\n",
    },
    "a class with an heir of its name": {
        "a.py": MADE,
        "b.py": "import a\nclass Block(a.Block):\n    pass\nnet = Block()\nuse(net.conv)\n",
    },
    "what a file's own function is given": {
        "a.py": "def change(x):\n    use(x)\nchange(layer())\n",
        "b.py": "def change(x):\n    pass\nchange(other())\n",
    },
    "what a file's own function is handed to": {
        "a.py": "def change(x):\n    use(x)\nlayer().apply(change)\n",
        "b.py": "def change(x):\n    pass\n",
    },
    "what an imported function is given": {
        "a.py": "def change(x):\n    use(x)\n",
        "b.py": "from a import change\nchange(layer())\n",
    },
}  # fmt: skip

LEADS_NOT = {
    "a class of the same name in another file": {"a.py": MADE, "b.py": OTHER + INSIDE},
    "an heir of such a class": {
        "a.py": MADE,
        "b.py": OTHER + "class Own(Block):\n    pass\n" + INSIDE.replace("Block", "Own"),
    },
    "a class of that name with an heir in its file": {
        "a.py": "class Block:\n    pass\nclass Own(Block):\n    def __init__(self):\n"
        "        self.conv = layer()\n",
        "b.py": OTHER + INSIDE,
    },
    "what a function of that name is given in another file": {
        "a.py": "def change(x):\n    pass\nchange(layer())\n",
        "b.py": "def change(x):\n    use(x)\nchange(other())\n",
    },
    "what a function of that name is handed to in another file": {
        "a.py": "def change(x):\n    pass\nlayer().apply(change)\n",
        "b.py": "def change(x):\n    use(x)\n",
    },
}


def reaches(files: dict[str, str], past: frozenset[str] = frozenset()) -> bool:
    """Say whether what is given to `use` may stand for `layer()`."""
    trees = {Path("/p", name): ast.parse(text) for name, text in files.items()}
    names = [FileNames(path, tree) for path, tree in trees.items()]
    starts, layers = list[Value](), list[tuple[Path, ast.expr]]()
    for path, tree in trees.items():
        calls = names[[*trees].index(path)].calls
        for value in calls.get("use", ()):
            assert isinstance(value.node, ast.Call)
            starts.append(Value(value.node.args[0], value.place))
        layers += [(path, node) for node in walk(tree)
                   if isinstance(node, ast.Call) and ast.unparse(node) == "layer()"]  # fmt: skip
    (start,), ((path, layer),) = starts, layers
    assert isinstance(start.place, Place)
    return bool(Search(Reach(names), [start], past).leading_to(path, layer))


@pytest.mark.parametrize("files", LEADS.values(), ids=LEADS)
def test_an_expression_may_stand_for_a_layer(files: dict[str, str]) -> None:
    assert reaches(files)


@pytest.mark.parametrize("files", LEADS_NOT.values(), ids=LEADS_NOT)
def test_a_name_that_only_its_file_can_mean_leads_to_no_other_file(files: dict[str, str]) -> None:
    assert not reaches(files)
