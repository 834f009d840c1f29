"""Names that the files of a project hand on to each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapper.model.options import Options
from mapper.model.results import FileResult, Status
from mapper.running.file import Task, process

_CALL = "layer = {}(3, 8, 3)\n"


def _write(root: Path, files: dict[str, str]) -> None:
    for name, text in {"pyproject.toml": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def _migrated(root: Path, name: str) -> FileResult:
    path = root / name
    return process(Task(str(path), path.read_bytes()), Options(select=("conv",)))


HANDED_ON = [
    pytest.param("from .common import nn\n", "nn.Conv2d", id="a module by name"),
    pytest.param("from .common import *\n", "nn.Conv2d", id="a module by star"),
    pytest.param("from .common import Conv2d as C\n", "C", id="a class under another name"),
    pytest.param("from . import Conv2d\n", "Conv2d", id="a class through the package"),
    pytest.param("from package.common import nn as tnn\n", "tnn.Conv2d", id="an absolute import"),
    pytest.param("from .second import *\n", "nn.Conv2d", id="a star behind a star"),
    pytest.param("from . import common\n", "common.nn.Conv2d", id="a module of the package"),
    pytest.param("from . import common as c\n", "c.Conv2d", id="a module under another name"),
    pytest.param("import package.common\n", "package.common.Conv2d", id="a dotted import"),
    pytest.param("import package.common as c\n", "c.nn.Conv2d", id="a dotted import as a name"),
    pytest.param("import package\n", "package.Conv2d", id="what the package hands on"),
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
    pytest.param("from . import other\n", "other.Conv2d", id="its own class by module"),
    pytest.param("from . import loop\n", "loop.nn.Conv2d", id="a module that imports itself"),
    pytest.param("import keras\n", "keras.layers.Conv2d", id="a library's module"),
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
        pytest.param("from . import layers\nx = layers.nn.Linear\n", id="by module"),
        pytest.param("import package.layers\nx = package.layers.nn\n", id="by dotted module"),
        pytest.param("import package.layers as lay\nx = lay.nn.ReLU\n", id="by a module's alias"),
    ],
)
def test_an_import_that_another_file_takes_stays_torchs(tmp_path: Path, other: str) -> None:
    text = "import torch.nn as nn\n\n\ndef build(c):\n    return nn.Conv2d(c, c, 3)\n"
    _write(tmp_path, {"package/layers.py": text, "package/model.py": other})
    after = _migrated(tmp_path, "package/layers.py").after or ""
    assert "import torch.nn as nn\n" in after
    assert "ms_nn.Conv2d(c, c, 3, pad_mode='valid', has_bias=True)" in after


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("from layers import build\n", id="another name is taken"),
        pytest.param("import layers\nx = layers.build(3)\ny = torch.nn\n", id="another is read"),
    ],
)
def test_an_import_that_nobody_takes_is_swapped(tmp_path: Path, other: str) -> None:
    text = "import torch.nn as nn\n\n\ndef build(c):\n    return nn.Conv2d(c, c, 3)\n"
    _write(tmp_path, {"layers.py": text, "model.py": other})
    after = _migrated(tmp_path, "layers.py").after or ""
    assert after.startswith("import mindspore.nn as nn\n")


def test_the_import_of_a_module_of_the_project_stays(tmp_path: Path) -> None:
    files = {
        **_PACKAGE,
        "package/model.py": "from . import common\n" + _CALL.format("common.Conv2d"),
    }
    _write(tmp_path, files)
    after = _migrated(tmp_path, "package/model.py").after or ""
    assert after.startswith("from . import common\nimport mindspore.nn as ms_nn\n")


RENAMED = "from torch.nn import Conv1d as C1\n\nlayer = C1(3, 8, 3)\n"


def test_a_class_that_other_files_take_under_another_name_is_reported(tmp_path: Path) -> None:
    _write(tmp_path, {"layers.py": RENAMED, "model.py": "from layers import C1\nx = C1(3, 8, 3)\n"})
    result = _migrated(tmp_path, "layers.py")
    handed, call = result.sites
    assert (handed.status, handed.before, handed.through) == (Status.MANUAL, "Conv1d as C1", "C1")
    assert "import it there from torch" in handed.message
    assert call.status is Status.MIGRATED
    assert (result.after or "").startswith("from torch.nn import Conv1d as C1\n")


def test_a_class_under_another_name_is_no_matter_when_nobody_takes_it(tmp_path: Path) -> None:
    _write(tmp_path, {"layers.py": RENAMED, "model.py": "import layers\n"})
    (site,) = _migrated(tmp_path, "layers.py").sites
    assert site.status is Status.MIGRATED


def test_an_import_in_a_packages_init_stays_torchs(tmp_path: Path) -> None:
    _write(tmp_path, {"package/__init__.py": "from torch.nn import Conv1d\nx = Conv1d(2, 4, 1)\n"})
    after = _migrated(tmp_path, "package/__init__.py").after or ""
    assert after.startswith("from torch.nn import Conv1d\n")


def test_a_worker_without_the_files_leaves_the_imports_torchs(tmp_path: Path) -> None:
    text = "import torch.nn as nn\n\n\ndef build(c):\n    return nn.Conv2d(c, c, 3)\n"
    task = Task("layers.py", text.encode(), str(tmp_path / "elsewhere"))
    after = process(task, Options(select=("conv",))).after or ""
    assert after.startswith("import torch.nn as nn\nimport mindspore.nn as ms_nn\n")
