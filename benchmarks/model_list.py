"""The public models of `models.py`: where they are, how they are built, what they are called with.

Nothing of these repositories is here; `COMMITS` says which of theirs the table was made of. `tree`
is the name of a directory given on the command line; for torchvision and torchaudio it is the
package's own, unpacked from the wheel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    `files` are below `root` of the tree, and migrated whole. `beside` go with them, migrated as far
    as they are; `stubs` (file -> text) stand on both sides for what is no part of the model.
    `taken`: the file is a script, of which these definitions are taken out after the migration,
    below the text of `constants`. `draws`: it draws random numbers in evaluation, too; the judge
    feeds both sides the same ones in PyNative, but GRAPH_MODE draws its own.
    """

    name: str
    tree: str
    files: tuple[str, ...]
    expression: str
    inputs: tuple[str, ...]
    root: str = "."
    beside: tuple[str, ...] = ()
    stubs: Mapping[str, str] = field(default_factory=dict)
    taken: tuple[str, ...] = ()
    constants: str = ""
    draws: bool = False


COMMITS = {
    "3D-ResNets-PyTorch": "kenshohara, 540a0ea",
    "PyTorch-GAN": "eriklindernoren, 36d3c77",
    "PyTorch-VAE": "AntixK, a6896b9",
    "Pytorch-UNet": "milesial, 21d7850",
    "TCN": "locuslab, 2f8c2b8",
    "convmixer": "locuslab, 4704811",
    "examples": "pytorch, 77f55b9",
    "minGPT": "karpathy, 37baab7",
    "pytorch-cifar": "kuangliu, 49b7aa9",
    "torchaudio": "wheel, 2.11.0",
    "torchvision": "wheel, 0.29.1",
    "vit-pytorch": "lucidrains, 69d24fe",
}

IMAGES = ("2,3,32,32",)

# `out_planes/4` is no integer in Python 3, with which this file cannot be built as it is
_WIDTH = (
    "type('Width', (int,), {'__truediv__': int.__floordiv__, "
    "'__sub__': lambda self, other: type(self)(int(self) - other)})"
)
_SHUFFLENET = (
    f"(lambda Width: ShuffleNet({{'out_planes': [Width(200), Width(400), Width(800)], "
    f"'num_blocks': [2, 2, 2], 'groups': 2}}))({_WIDTH})"
)

TORCHVISION = {
    "torchvision/utils.py": """\
def _log_api_usage_once(model):
    pass


def _make_ntuple(value, n):
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) * n
""",
    "torchvision/transforms/_presets.py": "class ImageClassification:\n    pass\n",
    "torchvision/models/_meta.py": "_IMAGENET_CATEGORIES = []\n",
    "torchvision/models/_api.py": """\
from enum import Enum


class Weights:
    def __init__(self, **settings):
        self.settings = settings


class WeightsEnum(Enum):
    @classmethod
    def verify(cls, weights):
        return weights


def register_model():
    return lambda build: build
""",
    "torchvision/models/_utils.py": """\
def handle_legacy_interface(**weights):
    return lambda build: build


def _ovewrite_named_param(settings, name, value):
    settings[name] = value


def _make_divisible(value, divisor):
    near = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * value else near
""",
}


def _cifar(name: str, expression: str) -> Model:
    return Model(f"cifar {name}", "pytorch-cifar", (f"{name}.py",), f"{name}:{expression}", IMAGES,
                 root="models")  # fmt: skip


def _gan(name: str, model: str, expression: str, *inputs: str) -> Model:
    return Model(f"{name} {model}", "PyTorch-GAN", ("models.py",), f"models:{expression}", inputs,
                 root=f"implementations/{name}")  # fmt: skip


def _unet(name: str, bilinear: bool) -> Model:
    files = ("unet/unet_parts.py", "unet/unet_model.py")
    return Model(name, "Pytorch-UNet", files, f"unet.unet_model:UNet(3, 2, {bilinear})", IMAGES)


def _script(
    name: str, taken: str, expression: str, given: str, constants: str = "", draws: bool = False
) -> Model:
    root = name.partition(" ")[0]
    return Model(name, "examples", ("main.py",), f"main:{expression}", (given,), root=root,
                 taken=(taken,), constants=constants, draws=draws)  # fmt: skip


def _torchvision(name: str, expression: str, *more: str, given: str = "2,3,64,64") -> Model:
    return Model(f"torchvision {name}", "torchvision", (f"torchvision/models/{name}.py", *more),
                 f"torchvision.models.{name}:{expression}", (given,), root="..",
                 stubs=TORCHVISION)  # fmt: skip


_WIDTHS = "nz, ngf, ndf, nc = 16, 8, 8, 3\n"

MODELS = (
    _cifar("resnet", "ResNet18()"),
    _cifar("vgg", "VGG('VGG11')"),
    _cifar("mobilenet", "MobileNet()"),
    _cifar("mobilenetv2", "MobileNetV2()"),
    _cifar("densenet", "densenet_cifar()"),
    _cifar("googlenet", "GoogLeNet()"),
    _cifar("shufflenet", _SHUFFLENET),
    _cifar("preact_resnet", "PreActResNet18()"),
    _cifar("senet", "SENet18()"),
    _cifar("efficientnet", "EfficientNetB0()"),
    _cifar("dla", "DLA()"),
    _unet("unet transposed", False),
    _unet("unet bilinear", True),
    _gan("cyclegan", "generator", "GeneratorResNet((3, 32, 32), 2)", *IMAGES),
    _gan("cyclegan", "discriminator", "Discriminator((3, 64, 64))", "2,3,64,64"),
    _gan("pix2pix", "generator", "GeneratorUNet()", "1,3,256,256"),
    _gan("pix2pix", "discriminator", "Discriminator()", "1,3,64,64", "1,3,64,64"),
    Model("super_resolution", "examples", ("model.py",), "model:Net(upscale_factor=2)",
          ("2,1,16,16",), root="super_resolution"),
    _script("dcgan generator", "Generator", "Generator(0)", "2,16,1,1", _WIDTHS),
    _script("dcgan discriminator", "Discriminator", "Discriminator(0)", "2,3,64,64", _WIDTHS),
    _script("vae", "VAE", "VAE()", "2,1,28,28", draws=True),
    Model("fast_neural_style", "examples", ("transformer_net.py",),
          "transformer_net:TransformerNet()", IMAGES, root="fast_neural_style/neural_style"),
    Model("convmixer", "convmixer", ("convmixer.py",),
          "convmixer:ConvMixer(32, 2, kernel_size=5, patch_size=4, n_classes=5)", IMAGES),
    Model("tcn", "TCN", ("tcn.py",), "tcn:TemporalConvNet(4, [8, 8, 6], kernel_size=3)",
          ("2,4,20",), root="TCN"),
    Model("vanilla_vae", "PyTorch-VAE",
          ("models/types_.py", "models/base.py", "models/vanilla_vae.py"),
          "models.vanilla_vae:VanillaVAE(3, 8)", ("2,3,64,64",), draws=True,
          stubs={"models/__init__.py": "from .base import *\n"}),
    Model("3d resnet", "3D-ResNets-PyTorch", ("resnet.py",),
          "resnet:generate_model(10, n_classes=5)", ("2,3,8,32,32",), root="models"),
    Model("simple_vit", "vit-pytorch", ("simple_vit.py",),
          "simple_vit:SimpleViT(image_size=32, patch_size=8, num_classes=5, dim=32, depth=2, "
          "heads=2, mlp_dim=64)", IMAGES, root="vit_pytorch"),
    Model("mingpt", "minGPT", ("mingpt/model.py",),
          "mingpt.model:GPT(CN(model_type=None, n_layer=2, n_head=2, n_embd=32, vocab_size=50, "
          "block_size=16, embd_pdrop=0.1, resid_pdrop=0.1, attn_pdrop=0.1))",
          ("2,16:int64<50",), beside=("mingpt/utils.py",)),
    _torchvision("alexnet", "alexnet(num_classes=10)"),
    _torchvision("vgg", "vgg11_bn(num_classes=10)", given="2,3,32,32"),
    _torchvision("squeezenet", "squeezenet1_1(num_classes=10)"),
    _torchvision("resnet", "resnet18(num_classes=10)"),
    _torchvision("mobilenetv2", "mobilenet_v2(num_classes=10)", "torchvision/ops/misc.py"),
    _torchvision("shufflenetv2", "shufflenet_v2_x0_5(num_classes=10)"),
    Model("wav2letter", "torchaudio", ("wav2letter.py",),
          "wav2letter:Wav2Letter(num_classes=10, input_type='mfcc', num_features=13)",
          ("2,13,60",), root="models"),
    Model("conv_tasnet", "torchaudio", ("conv_tasnet.py",),
          "conv_tasnet:ConvTasNet(2, enc_num_feats=32, msk_num_feats=16, "
          "msk_num_hidden_feats=32, msk_num_layers=2, msk_num_stacks=2)",
          ("2,1,160",), root="models"),
)  # fmt: skip
