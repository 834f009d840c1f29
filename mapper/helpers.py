"""The small Cells that a rewritten file may need, where MindSpore has no layer for the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mapper.rulebook import ParameterSpec


@dataclass(frozen=True, slots=True)
class Helper:
    """A class to insert: its source, with `{nn}` and `{ops}` for the imported modules."""

    name: str
    source: str
    parameters: tuple[ParameterSpec, ...]
    modules: tuple[str, ...]


_CIRCULAR = '''\
class {name}({nn}.Cell):
    """Pads by wrapping around, as torch does for padding_mode='circular'."""

    def __init__(self, padding):
        super().__init__()
        self.padding = padding

    def construct(self, x):
        return {ops}.pad(x, self.padding, mode='circular')
'''

_CROP = '''\
class {name}({nn}.Cell):
    """Drops columns at the start and the end of the last axis."""

    def __init__(self, start, end=0):
        super().__init__()
        self.start = start
        self.end = end

    def construct(self, x):
        return x[..., self.start:x.shape[-1] - self.end]
'''

HELPERS: Mapping[str, Helper] = {
    helper.name: helper
    for helper in (
        Helper(
            "CircularPad",
            _CIRCULAR,
            (ParameterSpec("padding", required=True),),
            ("mindspore.nn", "mindspore.ops"),
        ),
        Helper(
            "Crop1d",
            _CROP,
            (ParameterSpec("start", required=True), ParameterSpec("end", default=0)),
            ("mindspore.nn",),
        ),
    )
}
