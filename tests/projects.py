"""Projects whose files take names from `layers.py` in every way that Python knows."""

from __future__ import annotations

import json
from pathlib import Path

ALIAS = "import torch.nn as nn\n\nC = nn.Conv2d\n\n\ndef stem():\n    return C(3, 8, 3)\n"
"""A module whose `C` may name MindSpore's class only while no other file takes it."""

CALL = "layer = C(3, 4, 3, 1, 1)\n"


def notebook(*cells: str, escape: bool = False) -> str:
    """Return a notebook's JSON; with `escape`, its letters are written as escapes."""
    found: list[dict[str, object]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": c}
        for c in cells
    ]
    text = json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    return text.replace("layers", "\\u006cayers") if escape else text


TAKING: dict[str, dict[str, str]] = {
    "a plain import": {"main.py": f"from layers import C\n{CALL}"},
    "another name": {"main.py": "from layers import C as D\nlayer = D(3, 4, 3, 1, 1)\n"},
    "a continuation line": {"main.py": f"from layers \\\n    import C\n{CALL}"},
    "a continuation before the module": {"main.py": f"from \\\n  layers import stem, C\n{CALL}"},
    "a bracket in a comment": {
        "main.py": f"from layers import (\n    stem,  # as in f()\n    C,\n)\n{CALL}"
    },
    "a try on one line": {
        "main.py": f"try: from layers import C\nexcept ImportError: C = None\n{CALL}"
    },
    "two statements on a line": {"main.py": f"import sys; from layers import C\n{CALL}"},
    "an import in a function": {
        "main.py": "def f():\n    from layers import C\n    return C(3, 4, 3, 1, 1)\nlayer = f()\n"
    },
    "a star": {"main.py": f"from layers import *\n{CALL}"},
    "an attribute": {"main.py": "import layers\nlayer = layers.C(3, 4, 3, 1, 1)\n"},
    "a module's alias": {"main.py": "import layers\nlib = layers\nlayer = lib.C(3, 4, 3, 1, 1)\n"},
    "an alias of an alias": {
        "main.py": "import layers as a\nb: object = a\nif (c := b): layer = c.C(3, 4, 3, 1, 1)\n"
    },
    "a module handed to a function": {
        "main.py": "import layers\ndef f(m, n): return getattr(m, n)\n"
        "layer = f(layers, 'C')(3, 4, 3, 1, 1)\n"
    },
    "a module in a list": {
        "main.py": "import layers\nlayer = [m.C for m in [layers]][0](3, 4, 3, 1, 1)\n"
    },
    "getattr": {"main.py": "import layers\nlayer = getattr(layers, 'C')(3, 4, 3, 1, 1)\n"},
    "getattr of a sum": {
        "main.py": "import layers\nlayer = getattr(layers, chr(67))(3, 4, 3, 1, 1)\n"
    },
    "vars": {"main.py": "import layers\nlayer = vars(layers)['C'](3, 4, 3, 1, 1)\n"},
    "its dictionary": {"main.py": "import layers\nlayer = layers.__dict__['C'](3, 4, 3, 1, 1)\n"},
    "import_module": {
        "main.py": "from importlib import import_module\n"
        "layer = import_module('layers').C(3, 4, 3, 1, 1)\n"
    },
    "import_module of a name": {
        "main.py": "from importlib import import_module\nname = 'lay' + 'ers'\n"
        "layer = import_module(name).C(3, 4, 3, 1, 1)\n"
    },
    "__import__": {"main.py": "layer = __import__('layers').C(3, 4, 3, 1, 1)\n"},
    "sys.modules": {
        "main.py": "import sys, layers\nlayer = sys.modules['layers'].C(3, 4, 3, 1, 1)\n"
    },
    "exec": {"main.py": f"exec('from layers import C')\n{CALL}"},
    "letters that NFKC makes equal": {"main.py": f"from layers import \uff23\n{CALL}"},
    "a module that NFKC makes equal": {"main.py": f"from \uff4cayers import C\n{CALL}"},
    "a folder that others exclude": {
        "build/main.py": "import sys\nsys.path.insert(0, __file__.rpartition('build')[0])\n"
        f"from layers import C\n{CALL}"
    },
    "a file that does not parse": {"main.py": f"from layers import C\n{CALL}print 'done'\n"},
}
"""Files beside `layers.py` that take its `C`; most of them can be run."""

NOT_RUN: dict[str, dict[str, str]] = {
    "a notebook": {"main.ipynb": notebook("from layers import C\n", CALL)},
    "a notebook by star": {"main.ipynb": notebook("from layers import *\n", CALL)},
    "a notebook by module": {"main.ipynb": notebook("import layers\n", "layers.C(3, 4, 3)")},
    "a notebook in escapes": {"main.ipynb": notebook("from layers import C\n", escape=True)},
    "a notebook below a magic": {"a/main.ipynb": notebook("%%time\nfrom layers import C\n")},
    "a notebook that runs it": {"main.ipynb": notebook("%run layers.py\n", CALL)},
    "a notebook's broken cell": {"main.ipynb": notebook("from layers import C\nx = (\n")},
    "a folder of a package": {"dist/lib/main.py": f"from layers import C\n{CALL}"},
}
"""The same, where Python alone does not run it."""

NOT_TAKING: dict[str, dict[str, str]] = {
    "nothing else": {},
    "another name is taken": {"main.py": "from layers import stem\nlayer = stem()\n"},
    "another name is read": {"main.py": "import layers\nlib = layers\nlayer = lib.stem()\n"},
    "another name by getattr": {"main.py": "import layers\nx = getattr(layers, 'stem', 'C')\n"},
    "a library's module": {"main.py": "from torch.nn.layers import C\n"},
    "a comment": {"main.py": "import layers  # not layers.C\n"},
    "prose": {"main.py": '"""from layers import C"""\nimport layers\n'},
    "a relative import of another": {"sub/main.py": "from .layers import C\n", "sub/layers.py": ""},
    "an environment": {"env/pyvenv.cfg": "", "env/lib/main.py": "from layers import C\n"},
    "a notebook that takes nothing": {"main.ipynb": notebook("import layers\n", "layers.stem()")},
}
"""Files that leave `C` alone."""


def write(root: Path, files: dict[str, str]) -> Path:
    """Write a project's files below a directory, which they return to be chained."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root
