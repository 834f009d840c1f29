"""The models that migrate whole: where they lie, how they are built, and what they are given."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mapper.model.options import Options
from mapper.model.results import FileResult
from mapper.running.file import Task, process

FIXTURES = Path(__file__).parent.parent / "fixtures"
WHOLE = FIXTURES / "whole"


@dataclass(frozen=True)
class Model:
    """One model: the directory that is migrated, the expression that builds it, its inputs."""

    directory: Path
    expression: str
    inputs: tuple[str, ...]


IMAGES = ("3,3,18,22",)
MODELS = {
    "README's demo": Model(FIXTURES / "demo", "model:Denoiser(8)", ("2,3,18,22",)),
    "resnet, basic blocks": Model(WHOLE, "resnet.network:resnet_basic()", ("3,3,17,19",)),
    "resnet, bottlenecks in a wrapper": Model(
        WHOLE, "resnet.network:resnet_bottleneck()", ("3,3,17,19",)
    ),
    "resnet, called twice by its wrapper": Model(
        WHOLE, "resnet.network:resnet_detector()", ("3,3,17,19",)
    ),
    "vgg": Model(WHOLE / "vgg", "vgg:vgg_small(num_classes=7)", ("2,3,17,23",)),
    "vgg, normalised": Model(WHOLE / "vgg", "vgg:vgg_deep_bn()", ("3,3,21,18",)),
    "unet, interpolated": Model(WHOLE / "unet", "unet:UNet()", ("2,1,19,26",)),
    "unet, transposed": Model(WHOLE / "unet", "unet:UNet(bilinear=False)", ("2,1,19,26",)),
    "transformer": Model(WHOLE / "transformer", "encoder:Encoder()", ("3,11:int64<40",)),
    "filled": Model(WHOLE / "filled", "filled:Stages()", ("5,6",)),
    "layers chosen by the caller": Model(WHOLE, "choices.network:net_batch()", IMAGES),
    "layers chosen by the caller, instance norm": Model(
        WHOLE, "choices.network:net_instance()", IMAGES
    ),
    "layers chosen by the caller, through a partial": Model(
        WHOLE, "choices.network:net_fixed()", IMAGES
    ),
    "weights of every kind": Model(
        WHOLE / "renamed", "renamed:Renamed()", ("2,3,12,12", "2,7:int64")
    ),
    "frozen statistics": Model(WHOLE / "frozen", "frozen:Stem()", ("2,3,9,12",)),
    "mobilenet": Model(WHOLE / "mobilenet", "mobilenet:MobileNet()", ("3,3,33,30",)),
}
DIRECTORIES = sorted({model.directory for model in MODELS.values()})


def sources(directory: Path) -> list[Path]:
    """Return the Python files of a directory."""
    return sorted(directory.rglob("*.py"))


def migrated(directory: Path, target: Path) -> Iterator[FileResult]:
    """Write a directory's migrated files to another one, and yield what became of each."""
    shutil.copytree(directory, target, ignore=shutil.ignore_patterns("__pycache__"))
    for source in sources(directory):
        result = process(Task(str(source), source.read_bytes()), Options())
        if result.after is not None:
            place = target / source.relative_to(directory)
            place.write_text(result.after, result.encoding, newline="")
        yield result
