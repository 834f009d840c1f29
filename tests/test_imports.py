"""The import block: what is swapped, what stays, what is added, and where."""

from __future__ import annotations

import ast
import builtins
import json

import pytest

from mapper.model.options import Options
from mapper.model.results import FileStatus
from mapper.running.file import Task, process
from tests.tool import rewritten

CASES = {
    "a module whose every use is migrated is swapped": (
        "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as nn\nc = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "from torch import nn": (
        "from torch import nn\nc = nn.Conv2d(3, 8, 3)\n",
        "from mindspore import nn\nc = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a name given with as stays": (
        "from torch import nn as x\nc = x.Conv2d(3, 8, 3)\n",
        "from mindspore import nn as x\nc = x.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "import torch": (
        "import torch\nc = torch.nn.Conv2d(3, 8, 3)\n",
        "import mindspore\nc = mindspore.nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "import torch.nn": (
        "import torch.nn\nc = torch.nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn\nc = mindspore.nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a class": (
        "from torch.nn import Conv2d\nc = Conv2d(3, 8, 3)\n",
        "from mindspore.nn import Conv2d\nc = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a class that has another name in MindSpore": (
        "from torch.nn import ConvTranspose2d\nc = ConvTranspose2d(3, 8, 3)\n",
        "from mindspore.nn import Conv2dTranspose\n"
        "c = Conv2dTranspose(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a class with a name of its own": (
        "from torch.nn import ConvTranspose2d as Up\nc = Up(3, 8, 3)\n",
        "from mindspore.nn import Conv2dTranspose as Up\n"
        "c = Up(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "only some of the classes": (
        "from torch.nn import Conv2d, Linear, ConvTranspose2d as Up\n"
        "c = Conv2d(3, 8, 3)\n"
        "d = Up(3, 8, 3)\n",
        "from torch.nn import Linear\n"
        "from mindspore.nn import Conv2d, Conv2dTranspose as Up\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = Up(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "two classes": (
        "from torch.nn import Conv2d, Conv1d\nc = Conv2d(3, 8, 3)\nd = Conv1d(3, 8, 3)\n",
        "from mindspore.nn import Conv2d, Conv1d\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = Conv1d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "one out of several lines with comments": (
        "from torch.nn import (\n"
        "    Linear,  # dense\n"
        "    Conv2d,  # images\n"
        "    ReLU,\n"
        ")\n"
        "c = Conv2d(3, 8, 3)\n",
        "from torch.nn import (\n"
        "    Linear,  # dense\n"
        "      # images\n"
        "    ReLU,\n"
        ")\n"
        "from mindspore.nn import Conv2d\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "the last of several lines with comments": (
        "from torch.nn import (\n"
        "    Linear,  # dense\n"
        "    Conv2d,  # images\n"
        ")\n"
        "c = Conv2d(3, 8, 3)\n",
        "from torch.nn import (\n"
        "    Linear,  # dense\n"
        "      # images\n"
        ")\n"
        "from mindspore.nn import Conv2d\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "the last of several lines without a comma": (
        "from torch.nn import (\n"
        "    Linear,  # dense\n"
        "    Conv2d  # images\n"
        ")\n"
        "c = Conv2d(3, 8, 3)\n",
        "from torch.nn import (\n"
        "    Linear,  # dense\n"
        "      # images\n"
        ")\n"
        "from mindspore.nn import Conv2d\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "all of several lines with comments": (
        "from torch.nn import (  # layers\n"
        "    Conv1d,\n"
        "    Conv2d,  # images\n"
        ")\n"
        "c = Conv2d(3, 8, 3)\n"
        "d = Conv1d(3, 8, 3)\n",
        "from mindspore.nn import (  # layers\n"
        "    Conv1d,\n"
        "    Conv2d,  # images\n"
        ")\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = Conv1d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "one of several modules on a line": (
        "import os, torch, torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n",
        "import os, torch, mindspore.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "two modules on a line": (
        "import torch, torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\nd = torch.nn.Conv1d(3, 8, 3)\n",
        "import mindspore, mindspore.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = mindspore.nn.Conv1d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "between semicolons": (
        "import os; import torch.nn as nn; import sys\nc = nn.Conv2d(3, 8, 3)\n",
        "import os; import mindspore.nn as nn; import sys\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a module with another use stays and ms_nn comes beside it": (
        "import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\nd = nn.Linear(3, 8)\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = nn.Linear(3, 8)\n",
    ),
    "torch with another use stays": (
        "import torch\nc = torch.nn.Conv2d(3, 8, 3)\nx = torch.zeros(3)\n",
        "import torch\n"
        "import mindspore.nn as ms_nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "x = torch.zeros(3)\n",
    ),
    "a taken name gets a suffix": (
        "import torch.nn as nn\nms_nn = 1\nc = nn.Conv2d(3, 8, 3)\nd = nn.Linear(3, 8)\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn2\n"
        "ms_nn = 1\n"
        "c = ms_nn2.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = nn.Linear(3, 8)\n",
    ),
    "a name that only a comment mentions gets a suffix too": (
        "import torch.nn as nn  # not ms_nn\nc = nn.Conv2d(3, 8, 3)\nd = nn.Linear(3, 8)\n",
        "import torch.nn as nn  # not ms_nn\n"
        "import mindspore.nn as ms_nn2\n"
        "c = ms_nn2.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = nn.Linear(3, 8)\n",
    ),
    "an import of mindspore.nn is reused": (
        "import mindspore.nn as mnn\n"
        "import torch.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3)\n"
        "d = nn.Linear(3, 8)\n",
        "import mindspore.nn as mnn\n"
        "import torch.nn as nn\n"
        "c = mnn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = nn.Linear(3, 8)\n",
    ),
    "an import from mindspore is reused": (
        "from mindspore import nn as mnn\n"
        "import torch.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3)\n"
        "d = nn.Linear(3, 8)\n",
        "from mindspore import nn as mnn\n"
        "import torch.nn as nn\n"
        "c = mnn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "d = nn.Linear(3, 8)\n",
    ),
    "docstring and __future__ stay first": (
        '"""Doc."""\n'
        "\n"
        "from __future__ import annotations\n"
        "\n"
        "x = 1\n"
        "import torch.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3)\n"
        "nn.Linear\n",
        '"""Doc."""\n'
        "\n"
        "from __future__ import annotations\n"
        "import mindspore.nn as ms_nn\n"
        "\n"
        "x = 1\n"
        "import torch.nn as nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "nn.Linear\n",
    ),
    "shebang, cookie and comments stay first": (
        "#!/usr/bin/env python\n"
        "# -*- coding: utf-8 -*-\n"
        "# copyright\n"
        "\n"
        "x = 1\n"
        "import torch.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3)\n"
        "nn.Linear\n",
        "#!/usr/bin/env python\n"
        "# -*- coding: utf-8 -*-\n"
        "# copyright\n"
        "\n"
        "import mindspore.nn as ms_nn\n"
        "x = 1\n"
        "import torch.nn as nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "nn.Linear\n",
    ),
    "a name in __all__ is used": (
        "import torch.nn as nn\n__all__ = ['nn', 'c']\nc = nn.Conv2d(3, 8, 3)\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "__all__ = ['nn', 'c']\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a name in a quoted annotation is used": (
        "import torch.nn as nn\ndef f(x: 'list[nn.Linear]'): pass\nc = nn.Conv2d(3, 8, 3)\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "def f(x: 'list[nn.Linear]'): pass\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a name in prose is not used": (
        "import torch.nn as nn\nx = 'the nn thing is not used'\nc = nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as nn\n"
        "x = 'the nn thing is not used'\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "an import in try with None instead": (
        "try:\n"
        "    import torch.nn as nn\n"
        "except ImportError:\n"
        "    nn = None\n"
        "c = nn.Conv2d(3, 8, 3)\n",
        "try:\n"
        "    import torch.nn as nn\n"
        "except ImportError:\n"
        "    nn = None\n"
        "import mindspore.nn as ms_nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "an import with two spellings in if and else": (
        "if x:\n"
        "    import torch.nn as nn\n"
        "else:\n"
        "    from torch import nn\n"
        "c = nn.Conv2d(3, 8, 3)\n",
        "if x:\n"
        "    import mindspore.nn as nn\n"
        "else:\n"
        "    from mindspore import nn\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "an import in a function": (
        "def f():\n    import torch.nn as nn\n    return nn.Conv2d(3, 8, 3)\n",
        "def f():\n"
        "    import mindspore.nn as nn\n"
        "    return nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "imports in two functions": (
        "def f():\n"
        "    import torch.nn as nn\n"
        "    return nn.Conv2d(3, 8, 3)\n"
        "\n"
        "\n"
        "def g():\n"
        "    import torch.nn as nn\n"
        "    return nn.Conv1d(3, 8, 3)\n",
        "def f():\n"
        "    import mindspore.nn as nn\n"
        "    return nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "\n"
        "\n"
        "def g():\n"
        "    import mindspore.nn as nn\n"
        "    return nn.Conv1d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "imports in two functions, one with another use": (
        "def f():\n"
        "    import torch.nn as nn\n"
        "    return nn.Conv2d(3, 8, 3)\n"
        "\n"
        "\n"
        "def g():\n"
        "    import torch.nn as nn\n"
        "    return nn.Linear(3, 8)\n",
        "import mindspore.nn as ms_nn\n"
        "def f():\n"
        "    import torch.nn as nn\n"
        "    return ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "\n"
        "\n"
        "def g():\n"
        "    import torch.nn as nn\n"
        "    return nn.Linear(3, 8)\n",
    ),
    "an import in a class": (
        "class A:\n    from torch.nn import Conv2d\n    c = Conv2d(3, 8, 3)\n",
        "class A:\n"
        "    from mindspore.nn import Conv2d\n"
        "    c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a file that starts with a decorator": (
        "@attach\n"
        "def f():\n"
        "    from torch import nn\n"
        "    d = nn.Linear(1, 2)\n"
        "    return nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as ms_nn\n"
        "@attach\n"
        "def f():\n"
        "    from torch import nn\n"
        "    d = nn.Linear(1, 2)\n"
        "    return ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "one helper class for two calls": (
        "import torch.nn as nn\n"
        "\n"
        "c = nn.Conv2d(3, 8, 3, padding=1, padding_mode='circular')\n"
        "d = nn.Conv1d(3, 8, 3, padding=1, padding_mode='circular')\n",
        "import mindspore.nn as nn\n"
        "import mindspore.ops as ms_ops\n"
        "\n"
        "\n"
        "class CircularPad(nn.Cell):\n"
        '    """Pads by wrapping around, as torch does for padding_mode=\'circular\'."""\n'
        "\n"
        "    def __init__(self, padding):\n"
        "        super().__init__()\n"
        "        self.padding = padding\n"
        "\n"
        "    def construct(self, x):\n"
        "        return ms_ops.pad(x, self.padding, mode='circular')\n"
        "\n"
        "\n"
        "c = nn.SequentialCell(CircularPad((1, 1, 1, 1)), nn.Conv2d(3, 8, 3, pad_mode='valid'"
        ", has_bias=True))\n"
        "d = nn.SequentialCell(CircularPad((1, 1)), nn.Conv1d(3, 8, 3, pad_mode='valid', has_"
        "bias=True))\n",
    ),
    "a helper class beside torch": (
        "import torch.nn as nn\n"
        "c = nn.ConvTranspose1d(3, 8, 3, stride=2, padding=1, output_padding=1)\n"
        "nn.Linear\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "\n"
        "\n"
        "class Crop1d(ms_nn.Cell):\n"
        '    """Drops columns at the start and the end of the last axis."""\n'
        "\n"
        "    def __init__(self, start, end=0):\n"
        "        super().__init__()\n"
        "        self.start = start\n"
        "        self.end = end\n"
        "\n"
        "    def construct(self, x):\n"
        "        return x[..., self.start:x.shape[-1] - self.end]\n"
        "\n"
        "\n"
        "c = ms_nn.SequentialCell(ms_nn.Conv1dTranspose(3, 8, 3, stride=2, pad_mode='pad', pa"
        "dding=0, has_bias=True), Crop1d(1))\n"
        "nn.Linear\n",
    ),
    "two helper classes behind the whole import block": (
        '"""Doc."""\n'
        "import torch.nn as nn\n"
        "import os\n"
        "\n"
        "\n"
        "c = nn.ConvTranspose1d(3, 8, 3, stride=2, padding=1, output_padding=1)\n"
        'd = nn.Conv1d(3, 8, 3, padding=1, padding_mode="circular")\n',
        '"""Doc."""\n'
        "import mindspore.nn as nn\n"
        "import mindspore.ops as ms_ops\n"
        "import os\n"
        "\n"
        "\n"
        "class Crop1d(nn.Cell):\n"
        '    """Drops columns at the start and the end of the last axis."""\n'
        "\n"
        "    def __init__(self, start, end=0):\n"
        "        super().__init__()\n"
        "        self.start = start\n"
        "        self.end = end\n"
        "\n"
        "    def construct(self, x):\n"
        "        return x[..., self.start:x.shape[-1] - self.end]\n"
        "\n"
        "\n"
        "class CircularPad(nn.Cell):\n"
        '    """Pads by wrapping around, as torch does for padding_mode=\'circular\'."""\n'
        "\n"
        "    def __init__(self, padding):\n"
        "        super().__init__()\n"
        "        self.padding = padding\n"
        "\n"
        "    def construct(self, x):\n"
        "        return ms_ops.pad(x, self.padding, mode='circular')\n"
        "\n"
        "\n"
        "c = nn.SequentialCell(nn.Conv1dTranspose(3, 8, 3, stride=2, pad_mode='pad', padding="
        "0, has_bias=True), Crop1d(1))\n"
        "d = nn.SequentialCell(CircularPad((1, 1)), nn.Conv1d(3, 8, 3, pad_mode='valid', has_"
        "bias=True))\n",
    ),
    "a helper whose name is taken": (
        "import torch.nn as nn\n"
        "\n"
        "class CircularPad: pass\n"
        "\n"
        "c = nn.Conv2d(3, 8, 3, padding=1, padding_mode='circular')\n",
        "import mindspore.nn as nn\n"
        "import mindspore.ops as ms_ops\n"
        "\n"
        "\n"
        "class CircularPad2(nn.Cell):\n"
        '    """Pads by wrapping around, as torch does for padding_mode=\'circular\'."""\n'
        "\n"
        "    def __init__(self, padding):\n"
        "        super().__init__()\n"
        "        self.padding = padding\n"
        "\n"
        "    def construct(self, x):\n"
        "        return ms_ops.pad(x, self.padding, mode='circular')\n"
        "\n"
        "\n"
        "class CircularPad: pass\n"
        "\n"
        "c = nn.SequentialCell(CircularPad2((1, 1, 1, 1)), nn.Conv2d(3, 8, 3, pad_mode='valid"
        "', has_bias=True))\n",
    ),
    "an import from the class's own module": (
        "from torch.nn.modules.conv import Conv2d\n"
        "import torch\n"
        "c = Conv2d(3, 8, 3, padding=1)\n"
        "torch.zeros\n",
        "from mindspore.nn import Conv2d\n"
        "import torch\n"
        "c = Conv2d(3, 8, 3, pad_mode='pad', padding=1, has_bias=True)\n"
        "torch.zeros\n",
    ),
    "a class whose new name is taken": (
        "import torch.nn as nn\n"
        "from torch.nn import ConvTranspose2d\n"
        "Conv2dTranspose = 3\n"
        "c = ConvTranspose2d(3, 8, 3)\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "Conv2dTranspose = 3\n"
        "c = ms_nn.Conv2dTranspose(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a module without counterpart goes when nothing uses it": (
        "from torch.nn.modules import conv\nc = conv.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as ms_nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "another torch import stays as it is": (
        "import torch.nn as nn\n"
        "import torch.nn.functional as F\n"
        "c = nn.Conv2d(3, 8, 3)\n"
        "y = F.relu(x)\n",
        "import mindspore.nn as nn\n"
        "import torch.nn.functional as F\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n"
        "y = F.relu(x)\n",
    ),
    "a comment behind the import": (
        "import torch.nn as nn  # layers\nc = nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as nn  # layers\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a continued line": (
        "from torch.nn import Conv2d, \\\n    Linear\nc = Conv2d(3, 8, 3)\n",
        "from torch.nn import Linear\n"
        "from mindspore.nn import Conv2d\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a continued line, its second name": (
        "from torch.nn import Linear, \\\n    Conv2d\nc = Conv2d(3, 8, 3)\n",
        "from torch.nn import Linear\n"
        "from mindspore.nn import Conv2d\n"
        "c = Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "an import behind if": (
        "if 1: import torch.nn as nn\nc = nn.Conv2d(3, 8, 3)\n",
        "if 1: import mindspore.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a dtype is spelled through mindspore": (
        "import torch\nimport torch.nn as nn\nc = nn.Conv2d(3, 8, 3, dtype=torch.float16)\n",
        "import torch\n"
        "import mindspore.nn as nn\n"
        "import mindspore as ms\n"
        "c = nn.Conv2d(3, 8, 3, dtype=ms.float16, pad_mode='valid', has_bias=True)\n",
    ),
    "torch in a function with another use": (
        "def f():\n    import torch\n    return torch.nn.Conv2d(3, 8, 3), torch.zeros(3)\n",
        "import mindspore.nn as ms_nn\n"
        "def f():\n"
        "    import torch\n"
        "    return ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True), torch.zeros(3)\n",
    ),
    "an import and the call on one line": (
        "import torch.nn as nn; c = nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as nn; c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a docstring and everything else on one line": (
        "'doc'; import torch.nn as nn; c = nn.Conv2d(3, 8, 3); nn.Linear\n",
        "'doc'; import mindspore.nn as ms_nn; import torch.nn as nn; c = ms_nn.Conv2d(3, 8, 3"
        ", pad_mode='valid', has_bias=True); nn.Linear\n",
    ),
    "import torch.nn.functional": (
        "import torch.nn.functional\nc = torch.nn.Conv2d(3, 8, 3)\n",
        "import mindspore.ops\nc = mindspore.nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "torch and torch.nn as two names": (
        "import torch\nimport torch.nn as nn\nc = torch.nn.Conv2d(3, 8, 3)\n",
        "import mindspore\n"
        "import torch.nn as nn\n"
        "c = mindspore.nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a swap that would bind mindspore twice": (
        "import torch\nimport mindspore\nc = torch.nn.Conv2d(3, 8, 3)\n",
        "import mindspore\n"
        "import mindspore.nn as ms_nn\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "no newline at the end": (
        "import torch.nn as nn\nnn.Linear\nc = nn.Conv2d(3, 8, 3)",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "nn.Linear\n"
        "c = ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)",
    ),
    "an import behind global": (
        "def f():\n"
        "    global nn\n"
        "    import torch.nn as nn\n"
        "def g():\n"
        "    return nn.Conv2d(3, 8, 3)\n",
        "import mindspore.nn as ms_nn\n"
        "def f():\n"
        "    global nn\n"
        "    import torch.nn as nn\n"
        "def g():\n"
        "    return ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)\n",
    ),
    "a helper before a late import": (
        "x = 1\n"
        "import torch.nn as nn\n"
        "c = nn.Conv2d(3, 8, 3, padding=1, padding_mode='circular')\n",
        "import mindspore.nn as ms_nn\n"
        "import mindspore.ops as ms_ops\n"
        "\n"
        "\n"
        "class CircularPad(ms_nn.Cell):\n"
        '    """Pads by wrapping around, as torch does for padding_mode=\'circular\'."""\n'
        "\n"
        "    def __init__(self, padding):\n"
        "        super().__init__()\n"
        "        self.padding = padding\n"
        "\n"
        "    def construct(self, x):\n"
        "        return ms_ops.pad(x, self.padding, mode='circular')\n"
        "\n"
        "\n"
        "x = 1\n"
        "import mindspore.nn as nn\n"
        "c = nn.SequentialCell(CircularPad((1, 1, 1, 1)), nn.Conv2d(3, 8, 3, pad_mode='valid'"
        ", has_bias=True))\n",
    ),
    "a swapped name that a parameter shadows is not used for wrappers": (
        "import torch.nn as nn\n"
        "from torch.nn import Conv2d\n"
        "a = nn.Conv2d(3,8,3)\n"
        "def f(nn):\n"
        "    return Conv2d(3, 8, 3, padding=1, padding_mode='reflect')\n",
        "import mindspore.nn as nn\n"
        "from mindspore.nn import Conv2d\n"
        "import mindspore.nn as ms_nn\n"
        "a = nn.Conv2d(3,8,3, pad_mode='valid', has_bias=True)\n"
        "def f(nn):\n"
        "    return ms_nn.SequentialCell(ms_nn.Pad(paddings=((0, 0), (0, 0), (1, 1), (1, 1)),"
        " mode=\"REFLECT\"), Conv2d(3, 8, 3, pad_mode='valid', has_bias=True))\n",
    ),
    "an import that shares its line with its use": (
        "import torch.nn as nn; conv = nn.Conv2d(3,8,3); x = nn.Linear(2,2)\n",
        "import mindspore.nn as ms_nn\n"
        "import torch.nn as nn; conv = ms_nn.Conv2d(3,8,3, pad_mode='valid', has_bias=True); "
        "x = nn.Linear(2,2)\n",
    ),
    "an import of mindspore.nn under TYPE_CHECKING is not reused": (
        "from typing import TYPE_CHECKING\n"
        "import torch.nn as nn\n"
        "if TYPE_CHECKING:\n"
        "    import mindspore.nn as mnn\n"
        "a = nn.Conv2d(3,8,3)\n"
        "b = nn.Linear(1,2)\n",
        "from typing import TYPE_CHECKING\n"
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "if TYPE_CHECKING:\n"
        "    import mindspore.nn as mnn\n"
        "a = ms_nn.Conv2d(3,8,3, pad_mode='valid', has_bias=True)\n"
        "b = nn.Linear(1,2)\n",
    ),
    "an import of mindspore.nn that comes too late is not reused": (
        "import torch.nn as nn\n"
        "a = nn.Conv2d(3,8,3)\n"
        "b = nn.Linear(1,2)\n"
        "import mindspore.nn as mnn\n",
        "import torch.nn as nn\n"
        "import mindspore.nn as ms_nn\n"
        "a = ms_nn.Conv2d(3,8,3, pad_mode='valid', has_bias=True)\n"
        "b = nn.Linear(1,2)\n"
        "import mindspore.nn as mnn\n",
    ),
    "one name for two modules in two scopes": (
        "import torch.nn as m\n"
        "a = m.Conv2d(3,8,3)\n"
        "def f():\n"
        "    import torch as m\n"
        "    return m.nn.Conv2d(3,8,3)\n",
        "import mindspore.nn as ms_nn\n"
        "a = ms_nn.Conv2d(3,8,3, pad_mode='valid', has_bias=True)\n"
        "def f():\n"
        "    pass\n"
        "    return ms_nn.Conv2d(3,8,3, pad_mode='valid', has_bias=True)\n",
    ),
}

UNTOUCHED = {
    "no torch": "import os\nnn.Conv2d(3, 8, 3)\n",
    "nothing to migrate": "import torch.nn as nn\nnn.Linear(3, 8)\n",
    "an import that nothing uses": "import torch.nn as nn\nfrom torch.nn import Conv2d\n",
    "only a call that cannot be migrated": "import torch.nn as nn\nnn.Conv2d(*x)\n",
    "only a reference": "from torch.nn import Conv2d\nregister(Conv2d)\n",
    "a migrated file": "import mindspore.nn as nn\nnn.Conv2d(3, 8, 3, pad_mode='valid')\n",
}


@pytest.mark.parametrize("text", UNTOUCHED.values(), ids=UNTOUCHED)
def test_a_file_without_a_rewrite_keeps_its_imports(text: str) -> None:
    assert rewritten(text) == text


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_the_import_block(before: str, after: str) -> None:
    assert rewritten(before) == after


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_a_second_run_changes_nothing(before: str, after: str) -> None:
    assert rewritten(after) == after


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_every_name_that_comes_in_is_bound(before: str, after: str) -> None:
    compile(after, "<after>", "exec")
    assert _unbound(after) <= _unbound(before)


@pytest.mark.parametrize("newline", ["\r\n", "\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_new_lines_end_as_the_files_own_do(before: str, after: str, newline: str) -> None:
    text = before.replace("\n", newline)
    if newline in text:
        assert rewritten(text, newline) == after.replace("\n", newline)


def _unbound(text: str) -> set[str]:
    """Return the names that are read but never bound by the text."""
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    bound = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.alias):
            bound.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return {node.id for node in names} - bound - set(dir(builtins))


CIRCULAR = "nn.Conv2d(3, 8, 3, padding=1, padding_mode='circular')"


def test_a_helper_of_an_earlier_run_is_reused() -> None:
    once = rewritten(f"import torch.nn as nn\nnn.Linear\na = {CIRCULAR}\n")
    twice = rewritten(f"{once}b = {CIRCULAR}\n")
    assert twice.count("class CircularPad") == 1
    assert twice.count("import mindspore.nn as ms_nn") == 1
    assert twice.count("CircularPad((1, 1, 1, 1))") == 2
    assert twice.startswith(once)


@pytest.mark.parametrize(
    "block",
    ["if (n := {0}):\n    pass", "try:\n    pass\nexcept E:\n    c = {0}", "if {0}: import os"],
    ids=["a test", "a handler", "a test of an import"],
)
def test_a_helper_comes_before_the_first_rewrite(block: str) -> None:
    after = rewritten(f"import torch.nn as nn\n{block.format(CIRCULAR)}\n")
    assert after.index("class CircularPad") < after.index("CircularPad((1, 1, 1, 1))")


def test_a_changed_helper_is_not_reused() -> None:
    once = rewritten(f"import torch.nn as nn\nnn.Linear\na = {CIRCULAR}\n")
    changed = once.replace("mode='circular'", "mode='reflect'")
    twice = rewritten(f"{changed}b = {CIRCULAR}\n")
    assert "class CircularPad2(ms_nn.Cell):" in twice
    assert "b = ms_nn.SequentialCell(CircularPad2((1, 1, 1, 1))" in twice


def notebook(*cells: str) -> bytes:
    """Return a notebook of code cells."""
    sources: list[dict[str, object]] = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None,
         "source": cell.splitlines(True)}
        for cell in cells
    ]  # fmt: skip
    return json.dumps(
        {"cells": sources, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    ).encode()


def cells_after(*cells: str) -> list[str]:
    result = process(Task("x.ipynb", notebook(*cells)), Options(select=("conv",)))
    assert result.status is not FileStatus.FAILED, result.message
    assert result.after is not None
    after = ["".join(cell["source"]) for cell in json.loads(result.after)["cells"]]
    again = process(Task("x.ipynb", result.after.encode()), Options(select=("conv",)))
    assert again.status is FileStatus.UNCHANGED
    return after


CALL = "c = nn.Conv2d(3, 8, 3)"
NEW_CALL = "c = nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)"
MS_CALL = NEW_CALL.replace("nn.", "ms_nn.")
TORCH, MINDSPORE = "import torch.nn as nn", "import mindspore.nn as nn"
BESIDE = f"{TORCH}\nimport mindspore.nn as ms_nn"

NOTEBOOKS = {
    "an import in another cell": ([TORCH, CALL], [MINDSPORE, NEW_CALL]),
    "a use in another cell": ([TORCH, CALL, "nn.Linear"], [BESIDE, MS_CALL, "nn.Linear"]),
    "a newline at the end of a cell": (
        [f"{TORCH}\n", f"{CALL}\n"],
        [f"{MINDSPORE}\n", f"{NEW_CALL}\n"],
    ),
    "an import alone in a cell that goes": (
        ["from torch.nn.modules import conv", "c = conv.Conv2d(3, 8, 3)"],
        ["import mindspore.nn as ms_nn\n", MS_CALL],
    ),
    "a magic before the import": (
        [f"%matplotlib inline\n{TORCH}", f"!ls\n{CALL}"],
        [f"%matplotlib inline\n{MINDSPORE}", f"!ls\n{NEW_CALL}"],
    ),
    "a cell that is not Python": (
        [TORCH, "this is (not Python", CALL],
        [MINDSPORE, "this is (not Python", NEW_CALL],
    ),
    "an empty cell": (["", TORCH, "", CALL], ["", MINDSPORE, "", NEW_CALL]),
    "a comment at the end of a cell": (
        [f"{TORCH}  # layers", f"{CALL}  # stem"],
        [f"{MINDSPORE}  # layers", f"{NEW_CALL}  # stem"],
    ),
    "wide characters": (
        [TORCH, f"é = '日本🎉'; {CALL}"],
        [MINDSPORE, f"é = '日本🎉'; {NEW_CALL}"],
    ),
    "a future import in a later cell": (
        [TORCH, "from __future__ import annotations", CALL],
        [MINDSPORE, "from __future__ import annotations", NEW_CALL],
    ),
    "Windows line ends": (
        [f"import os\r\n{TORCH}\r\n", f"{CALL}\r\nnn.Linear"],
        [f"import os\r\n{BESIDE}".replace("nn\ni", "nn\r\ni") + "\r\n", f"{MS_CALL}\r\nnn.Linear"],
    ),
}


@pytest.mark.parametrize(("before", "after"), NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_the_cells_of_a_notebook_share_their_imports(before: list[str], after: list[str]) -> None:
    assert cells_after(*before) == after


def test_a_helper_class_goes_into_the_cell_of_the_imports() -> None:
    first, second = cells_after(TORCH, f"c = {CIRCULAR}")
    assert first.startswith(f"{MINDSPORE}\nimport mindspore.ops as ms_ops\n\n\nclass CircularPad")
    assert second.startswith("c = nn.SequentialCell(CircularPad(")


def test_a_notebooks_sites_are_counted_from_their_cell() -> None:
    data = notebook(TORCH, f"x = 1\ny = 2; {CALL}", f"\n{CALL.replace('3)', '1)')}")
    result = process(Task("x.ipynb", data), Options(select=("conv",)))
    places = [(site.cell, site.span.line, site.span.column) for site in result.sites]
    assert places == [(1, 2, 12), (2, 2, 5)]
