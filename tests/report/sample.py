"""One hand-made run with every kind of result in it, and some hostile text."""

from __future__ import annotations

import json

from mapper.model.results import (
    FileResult,
    FileStatus,
    Note,
    Parameter,
    Proof,
    Run,
    Site,
    Span,
    Status,
)

HOSTILE = "\x1b[2K\r::error::forged\n</script><img src=x onerror=alert(1)>\u202e@team #1 `|`"


def span_of(text: str, call: str, nth: int = 0) -> Span:
    """Return the span of the nth occurrence of a call in a text."""
    start = -1
    for _ in range(nth + 1):
        start = text.index(call, start + 1)
    end = start + len(call)
    return Span(*_position(text, start), *_position(text, end))


def _position(text: str, offset: int) -> tuple[int, int]:
    head = text[:offset]
    return head.count("\n") + 1, offset - (head.rfind("\n") + 1) + 1


RESNET = '''\
"""A small residual block."""
import torch.nn as nn


class Block(nn.Module):
    def __init__(self, width, padding):
        super().__init__()
        self.entry = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.block = nn.Conv2d(width, width, 3, padding=1)  # naïve 幅
        self.reflect = nn.Conv2d(
            64,  # channels in
            64,
            kernel_size=3,
            padding=1,
            padding_mode="reflect",
        )
        self.guess = nn.Conv2d(64, 64, 3, padding=padding)
        self.lazy = nn.LazyConv2d(64, 3)
        self.kept = nn.Conv2d(64, 64, 1)  # tm2ms: ignore[TM101]
'''
ENTRY = "nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)"
BLOCK = "nn.Conv2d(width, width, 3, padding=1)"
REFLECT = RESNET[RESNET.index("nn.Conv2d(\n") : RESNET.index("        self.guess")].rstrip()
GUESS = "nn.Conv2d(64, 64, 3, padding=padding)"
LAZY = "nn.LazyConv2d(64, 3)"
KEPT = "nn.Conv2d(64, 64, 1)"

ENTRY_NEW = "ms_nn.Conv2d(3, 64, 7, stride=2, pad_mode='pad', padding=3, has_bias=False)"
BLOCK_NEW = "ms_nn.Conv2d(width, width, 3, pad_mode='pad', padding=1, has_bias=True)"
REFLECT_NEW = """\
ms_nn.SequentialCell(ms_nn.Pad(((0, 0), (0, 0), (1, 1), (1, 1)), mode="REFLECT"), ms_nn.Conv2d(
            64,  # channels in
            64,
            kernel_size=3,
            pad_mode='valid',
            has_bias=True,
        ))"""
GUESS_NEW = "ms_nn.Conv2d(64, 64, 3, pad_mode='pad', padding=padding, has_bias=True)"

UPSAMPLE = "import torch\r\nup = torch.nn.ConvTranspose1d(8, 4, 3, 2, 1, 1)\r\nlast = 'no end'"
UP = "torch.nn.ConvTranspose1d(8, 4, 3, 2, 1, 1)"
UP_NEW = (
    "nn.SequentialCell(nn.Conv1dTranspose(8, 4, 3, 2, 'pad', 1, has_bias=True), "
    "nn.Pad(((0, 0), (0, 0), (0, 1))))"
)

HOSTILE_SOURCE = (
    "from torch.nn import Conv3d\n"
    "x = \"</script><script>document.title='owned'</script><!-- \x1b[31m ::error::forged\"; "
    "c = Conv3d(1, 2, k)  # \u202e ``` | <b>\n"
)


def _site(text: str, call: str, status: Status, nth: int = 0, **more: object) -> Site:
    values: dict[str, object] = {
        "rule": "TM102",
        "api": "torch.nn.Conv2d",
        "target": "mindspore.nn.Conv2d",
        **more,
    }
    return Site(status=status, span=span_of(text, call, nth), before=call, **values)  # type: ignore[arg-type]


def _resnet() -> FileResult:
    weight = Parameter((64, 3, 7, 7), (64, 3, 7, 7), "weight")
    inner = Parameter((64, 64, 3, 3), (64, 64, 3, 3), "1.weight")
    sites = (
        _site(
            RESNET,
            ENTRY,
            Status.MIGRATED,
            after=ENTRY_NEW,
            message="padding=3 is padded explicitly (pad_mode='pad')",
            parameters={"weight": weight},
            proof=Proof("exact", 3, (2, 3, 11, 13), (2, 64, 6, 7), 0.0),
        ),
        _site(
            RESNET,
            BLOCK,
            Status.MIGRATED,
            after=BLOCK_NEW,
            message="padding=1 is padded explicitly (pad_mode='pad')",
            assumptions=("`width` is a positive int",),
            proof=Proof("sampled", 12, (2, 4, 9, 10), (2, 4, 9, 10), 3.5527136788005009e-15),
        ),
        _site(
            RESNET,
            REFLECT,
            Status.MIGRATED,
            after=REFLECT_NEW,
            message="reflect padding is a layer of its own",
            parameters={
                "weight": inner,
                "bias": Parameter((64,), (64,), "1.bias"),
            },
            proof=Proof("exact", 3, (2, 64, 11, 13), (2, 64, 11, 13), 0.0),
        ),
        _site(
            RESNET,
            GUESS,
            Status.UNSAFE,
            after=GUESS_NEW,
            message="`padding` may be a string; with 'same' the result would differ silently",
            assumptions=("`padding` is an int, not 'same'",),
            proof=Proof("sampled", 6, (2, 64, 9, 9), (2, 64, 9, 9), 0.0),
        ),
        _site(
            RESNET,
            LAZY,
            Status.MANUAL,
            api="torch.nn.LazyConv2d",
            target=None,
            message="in_channels is not known before the first call; write nn.Conv2d with it",
        ),
        _site(
            RESNET,
            KEPT,
            Status.IGNORED,
            message="switched off by `# tm2ms: ignore[TM101]`",
        ),
    )
    after = RESNET.replace(
        "import torch.nn as nn\n", "import mindspore.nn as ms_nn\nimport torch.nn as nn\n"
    )
    for old, new in ((ENTRY, ENTRY_NEW), (BLOCK, BLOCK_NEW), (REFLECT, REFLECT_NEW)):
        after = after.replace(old, new)
    return FileResult("models/resnet.py", FileStatus.CHANGED, sites, before=RESNET, after=after)


def _upsample() -> FileResult:
    after = UPSAMPLE.replace("import torch\r\n", "from mindspore import nn\r\n").replace(UP, UP_NEW)
    site = _site(
        UPSAMPLE,
        UP,
        Status.SHAPE_ONLY,
        rule="TM111",
        api="torch.nn.ConvTranspose1d",
        target="mindspore.nn.Conv1dTranspose",
        after=UP_NEW,
        message="zeros stand where torch computes values; largest difference 0.81",
        proof=Proof("exact", 3, (2, 8, 7), (2, 4, 14), 0.8125),
    )
    notes = (Note(2, "unused `# tm2ms: ignore`"),)
    return FileResult(
        "models/up sample.py", FileStatus.CHANGED, (site,), None, notes, UPSAMPLE, after
    )


def _notebook() -> FileResult:
    cell = (
        "%matplotlib inline\n"
        "import torch.nn as nn\n"
        "conv = nn.Conv1d(1, 8, 5)\n"
        "kinds = [nn.Conv1d]\n"
    )
    call, new = "nn.Conv1d(1, 8, 5)", "nn.Conv1d(1, 8, 5, pad_mode='valid', has_bias=True)"

    def text(source: str) -> str:
        code = {"cell_type": "code", "source": source.splitlines(keepends=True)}
        title = {"cell_type": "markdown", "source": "# Título"}
        return json.dumps({"cells": [title, code]}, indent=1, ensure_ascii=False) + "\n"

    site = _site(
        cell,
        call,
        Status.MIGRATED,
        rule="TM101",
        api="torch.nn.Conv1d",
        target="mindspore.nn.Conv1d",
        after=new,
        message="no padding: pad_mode='valid'",
        parameters={"weight": Parameter((8, 1, 5), (8, 1, 1, 5), "weight")},
        proof=Proof("exact", 3, (2, 1, 17), (2, 8, 13), 0.0),
        cell=1,
    )
    manual = _site(
        cell,
        "nn.Conv1d",
        Status.MANUAL,
        nth=1,
        rule="TM101",
        api="torch.nn.Conv1d",
        target=None,
        message="passed on as a value; what is called with it is not known",
        cell=1,
    )
    after = cell.replace(call, new).replace("torch.nn", "mindspore.nn")
    notes = (Note(1, "cell skipped: it cannot be parsed", cell=2),)
    return FileResult(
        "Übung.ipynb", FileStatus.CHANGED, (site, manual), None, notes, text(cell), text(after)
    )


def _hostile() -> FileResult:
    site = _site(
        HOSTILE_SOURCE,
        "Conv3d(1, 2, k)",
        Status.MANUAL,
        rule="TM103",
        api="torch.nn.Conv3d",
        target="mindspore.nn.Conv3d",
        message=f"`k` is not known: {HOSTILE}",
        assumptions=(f"never {HOSTILE}",),
    )
    path = "evil\n::error file=a.py::forged\x1b[31m\u202e | `<b>.py"
    return FileResult(
        path,
        FileStatus.CHANGED,
        (site,),
        before=HOSTILE_SOURCE,
        after=HOSTILE_SOURCE.replace("torch.nn", "mindspore.nn"),
    )


def sample() -> Run:
    """Return the run that every format is tried on."""
    broken = FileResult(
        "broken.py",
        FileStatus.FAILED,
        message="'(' was never closed",
        line=3,
        column=5,
        before="x = (\n",
    )
    quiet = FileResult("quiet.py", FileStatus.UNCHANGED, before="import os\n")
    files = (_resnet(), _upsample(), _notebook(), _hostile(), broken, quiet)
    return Run(files, mindspore="2.10", seconds=0.84)
