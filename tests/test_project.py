"""Names that the files of a project hand on to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.options import Options
from mapper.outcome import FileResult, Status
from mapper.process import Task, process

_CALL = "layer = {}(3, 8, 3)\n"


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in {"pyproject.toml": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _migrated(root: Path, name: str) -> FileResult:
    path = root / name
    return process(Task(str(path), path.read_bytes()), Options())


HANDED_ON = [
    pytest.param("from .common import nn\n", "nn.Conv2d", id="a module by name"),
    pytest.param("from .common import *\n", "nn.Conv2d", id="a module by star"),
    pytest.param("from .common import Conv2d as C\n", "C", id="a class under another name"),
    pytest.param("from . import Conv2d\n", "Conv2d", id="a class through the package"),
    pytest.param("from package.common import nn as tnn\n", "tnn.Conv2d", id="an absolute import"),
    pytest.param("from .second import *\n", "nn.Conv2d", id="a star behind a star"),
]
_PACKAGE = {
    "package/__init__.py": "from .common import Conv2d\n",
    "package/common.py": "import torch.nn as nn\nfrom torch.nn import Conv2d\nx = nn, Conv2d\n",
    "package/second.py": "from .common import *\n",
}


@pytest.mark.parametrize(("head", "name"), HANDED_ON)
def test_a_torch_name_is_known_through_another_file(tmp_path: Path, head: str, name: str) -> None:
    _write(tmp_path, {**_PACKAGE, "package/model.py": head + _CALL.format(name)})
    (site,) = _migrated(tmp_path, "package/model.py").sites
    assert (site.api, site.status) == ("torch.nn.Conv2d", Status.MIGRATED)
    assert site.after == "ms_nn.Conv2d(3, 8, 3, pad_mode='valid', has_bias=True)"


NOT_HANDED_ON = [
    pytest.param("from .other import Conv2d\n", "Conv2d", id="a class of the project's own"),
    pytest.param("from .other import *\n", "Conv2d", id="its own class by star"),
    pytest.param("from .missing import nn\n", "nn.Conv2d", id="a file that is not there"),
    pytest.param("from keras.layers import *\n", "Conv2d", id="a library by star"),
    pytest.param("from .broken import nn\n", "nn.Conv2d", id="a file that does not parse"),
    pytest.param("from .loop import nn\n", "nn.Conv2d", id="files that import each other"),
]


@pytest.mark.parametrize(("head", "name"), NOT_HANDED_ON)
def test_a_look_alike_from_another_file_is_not_touched(
    tmp_path: Path, head: str, name: str
) -> None:
    own = "import torch.nn as nn\n\n\nclass Conv2d(nn.Module):\n    pass\n"
    files = {
        "package/other.py": own,
        "package/broken.py": "import torch.nn as (\n",
        "package/loop.py": "from .pool import nn\n",
        "package/pool.py": "from .loop import nn\n",
        "package/model.py": "import torch\n" + head + _CALL.format(name),
    }
    _write(tmp_path, files)
    result = _migrated(tmp_path, "package/model.py")
    assert result.sites == ()
    assert result.after == result.before


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("from .layers import nn\n", id="by name"),
        pytest.param("from .layers import *\n", id="by star"),
        pytest.param(
            "from package.layers import (\n    build,\n    nn as tnn,\n)\n", id="in a list"
        ),
    ],
)
def test_an_import_that_another_file_takes_stays_torchs(tmp_path: Path, other: str) -> None:
    text = "import torch.nn as nn\n\n\ndef build(c):\n    return nn.Conv2d(c, c, 3)\n"
    _write(tmp_path, {"package/layers.py": text, "package/model.py": other})
    after = _migrated(tmp_path, "package/layers.py").after or ""
    assert "import torch.nn as nn\n" in after
    assert "ms_nn.Conv2d(c, c, 3, pad_mode='valid', has_bias=True)" in after


def test_an_import_that_nobody_takes_is_swapped(tmp_path: Path) -> None:
    text = "import torch.nn as nn\n\n\ndef build(c):\n    return nn.Conv2d(c, c, 3)\n"
    _write(tmp_path, {"layers.py": text, "model.py": "from layers import build\n"})
    after = _migrated(tmp_path, "layers.py").after or ""
    assert after.startswith("import mindspore.nn as nn\n")


def test_an_import_in_a_packages_init_stays_torchs(tmp_path: Path) -> None:
    _write(tmp_path, {"package/__init__.py": "from torch.nn import Conv1d\nx = Conv1d(2, 4, 1)\n"})
    after = _migrated(tmp_path, "package/__init__.py").after or ""
    assert after.startswith("from torch.nn import Conv1d\n")


def test_a_worker_without_the_files_leaves_the_imports_torchs(tmp_path: Path) -> None:
    text = "import torch.nn as nn\n\n\ndef build(c):\n    return nn.Conv2d(c, c, 3)\n"
    task = Task("layers.py", text.encode(), str(tmp_path / "elsewhere"))
    after = process(task, Options()).after or ""
    assert after.startswith("import torch.nn as nn\nimport mindspore.nn as ms_nn\n")
