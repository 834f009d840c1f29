"""What a rewritten file may get inserted, where MindSpore has nothing that does the job."""

from __future__ import annotations

from collections.abc import Mapping

from mapper.model.record import record
from mapper.rulebook.schema import ParameterSpec


@record(frozen=True, slots=True)
class Helper:
    """A class or function to insert: its source, with `{nn}`, `{ops}`, `{ms}` for the modules."""

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

_CONV_TRANSPOSE_1D = '''\
def {name}(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose1d, value for value."""

    def one(value):
        return value[0] if isinstance(value, (tuple, list)) else value

    stride, padding, extra = one(stride), one(padding), one(output_padding)
    dilation = one(dilation)
    # Where output_padding exceeds padding the input grows by zeros; less is cropped at the end.
    grow = max(0, -((padding - extra) // stride))
    input = {ops}.pad(input, (0, grow)) if grow else input
    end = padding + grow * stride - extra
    size = (input.shape[2] - 1) * stride + dilation * (weight.shape[2] - 1) + 1 - padding - end
    operator = {ops}.Conv2DTranspose(
        weight.shape[0], (1, weight.shape[2]), pad_mode='pad', pad=(0, 0, padding, end),
        stride=(1, stride), dilation=(1, dilation), group=groups,
    )
    shape = (input.shape[0], weight.shape[1] * groups, 1, size)
    output = operator(input.expand_dims(2), weight.expand_dims(2), shape).squeeze(2)
    return output if bias is None else output + bias.reshape(1, -1, 1)
'''

_CONV_TRANSPOSE_2D = '''\
def {name}(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose2d, value for value."""

    def each(value):
        value = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        return value * 2 if len(value) == 1 else value

    stride, padding, extra = each(stride), each(padding), each(output_padding)
    dilation = each(dilation)
    # Where output_padding exceeds padding the input grows by zeros; less is cropped at the end.
    grow = [max(0, -((p - o) // s)) for p, o, s in zip(padding, extra, stride)]
    input = {ops}.pad(input, (0, grow[1], 0, grow[0])) if any(grow) else input
    end = [p + g * s - o for p, g, s, o in zip(padding, grow, stride, extra)]
    operator = {ops}.Conv2DTranspose(
        weight.shape[0], weight.shape[2:], pad_mode='pad',
        pad=(padding[0], end[0], padding[1], end[1]),
        stride=stride, dilation=dilation, group=groups,
    )
    size = [
        (n - 1) * s + d * (k - 1) + 1 - p - e
        for n, k, s, d, p, e in zip(
            input.shape[2:], weight.shape[2:], stride, dilation, padding, end
        )
    ]
    output = operator(input, weight, (input.shape[0], weight.shape[1] * groups, *size))
    return output if bias is None else output + bias.reshape(1, -1, 1, 1)
'''

_CONV_TRANSPOSE_3D = '''\
def {name}(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose3d, value for value."""

    def each(value):
        value = tuple(value) if isinstance(value, (tuple, list)) else (value,)
        return value * 3 if len(value) == 1 else value

    front, top, left = each(padding)
    operator = {ops}.Conv3DTranspose(
        weight.shape[0], weight.shape[1] * groups, weight.shape[2:], pad_mode='pad',
        pad=(front, front, top, top, left, left),
        stride=each(stride), dilation=each(dilation), group=groups,
        output_padding=each(output_padding),
    )
    output = operator(input, weight)
    return output if bias is None else output + bias.reshape(1, -1, 1, 1, 1)
'''

_AXES = '''\
class {name}({nn}.Cell):
    """Splits, reorders and joins axes as a pattern of einops says: 'b (h w) c -> b c h w'."""

    def __init__(self, pattern, **sizes):
        super().__init__()
        sides, self.open = [], -1
        for side in pattern.split('->'):
            groups, is_inside = [], False
            for part in side.replace('(', ' ( ').replace(')', ' ) ').split():
                if part in '()':
                    is_inside = part == '('
                if part == '(' or (part != ')' and not is_inside):
                    groups.append([])
                if part not in ('(', ')', '1'):
                    groups[-1].append(part)
                if sides and part == '...' and not is_inside:
                    self.open = len(groups) - 1
            sides.append(groups)
        names = [axis for group in sides[0] for axis in group]
        self.rest = sides[0].index(['...']) if ['...'] in sides[0] else -1
        self.splits = tuple(tuple(sizes.get(axis, 0) for axis in group) for group in sides[0])
        self.order = tuple(names.index(axis) for group in sides[1] for axis in group)
        self.joins = tuple(len(group) for group in sides[1])

    def construct(self, x):
        hidden = ()
        if self.rest >= 0:
            whole = x.shape
            end = len(whole) - len(self.splits) + self.rest + 1
            hidden = whole[self.rest:end]
            x = x.reshape(whole[:self.rest] + (-1,) + whole[end:])
        shape = ()
        for size, parts in zip(x.shape, self.splits):
            known = 1
            for part in parts:
                known = known * (part or 1)
            for part in parts:
                shape += (part or size // known,)
        x = x.reshape(shape).permute(self.order)
        shape = ()
        start = 0
        for index, count in enumerate(self.joins):
            size = 1
            for one in x.shape[start:start + count]:
                size = size * one
            shape += hidden if index == self.open else (size,)
            start = start + count
        return x.reshape(shape)
'''

_PACKED = '''\
def {name}(tensors, before, after):
    """einops.pack: Tensors joined at an axis that takes the place of all but the outer ones."""
    shapes, parts = [], []
    for one in tensors:
        end = one.ndim - after
        shapes.append(one.shape[before:end])
        parts.append(one.reshape(one.shape[:before] + (-1,) + one.shape[end:]))
    return {ops}.cat(parts, before), shapes
'''

_UNPACKED = '''\
def {name}(x, shapes, axis):
    """einops.unpack: the Tensors that were joined at an axis, in the shapes they had."""
    sizes = []
    for shape in shapes:
        size = 1
        for one in shape:
            size = size * one
        sizes.append(size)
    return [
        part.reshape(x.shape[:axis] + tuple(shape) + x.shape[axis + 1:])
        for part, shape in zip({ops}.split(x, sizes, axis), shapes)
    ]
'''

_REDUCED = '''\
class {name}({nn}.Cell):
    """Reduces the axes that a pattern of einops leaves out: 'b c h w -> b c'."""

    def __init__(self, pattern, reduction):
        super().__init__()
        given, wanted = (side.split() for side in pattern.split('->'))
        self.axes = tuple(index for index, axis in enumerate(given) if axis not in wanted)
        self.reduction = reduction

    def construct(self, x):
        if self.reduction == 'mean':
            return x.mean(self.axes)
        if self.reduction == 'sum':
            return x.sum(self.axes)
        return x.amax(self.axes) if self.reduction == 'max' else x.amin(self.axes)
'''

_WEIGHT_NORM = '''\
class {name}({nn}.Cell):
    """A layer whose weight is weight_g * weight_v / |weight_v|, as torch's weight_norm has it."""

    def __init__(self, layer, dim=0):
        super().__init__()
        weight = layer.weight
        self.axes = tuple(axis for axis in range(weight.ndim) if axis != dim)
        self.keeps = dim is not None
        norm = {ops}.sqrt((weight * weight).sum(self.axes, keepdims=self.keeps))
        self.weight_g = {ms}.Parameter(norm)
        self.weight_v = {ms}.Parameter(weight.value())
        self.bias = layer.bias if layer.has_bias else None
        self.is_flat = isinstance(layer, ({nn}.Conv1d, {nn}.Conv1dTranspose))
        self.is_transposed = isinstance(layer, ({nn}.Conv1dTranspose, {nn}.Conv2dTranspose))
        self.is_dense = isinstance(layer, {nn}.Dense)
        is_plain = isinstance(layer, ({nn}.Conv1d, {nn}.Conv2d))
        if not (self.is_dense or self.is_transposed or is_plain):
            raise TypeError('no weight_norm for ' + type(layer).__name__)
        if self.is_dense:
            return
        self.stride, self.dilation = layer.stride, layer.dilation
        self.kernel_size = layer.kernel_size
        self.padding = layer.padding if isinstance(layer.padding, tuple) else (layer.padding,) * 4
        self.channels = weight.shape[1] * layer.group
        operator = {ops}.Conv2D if is_plain else {ops}.Conv2DTranspose
        self.convolution = operator(
            weight.shape[0], self.kernel_size, pad_mode=layer.pad_mode if is_plain else 'pad',
            pad=self.padding, stride=self.stride, dilation=self.dilation, group=layer.group,
        )

    def construct(self, x):
        norm = {ops}.sqrt((self.weight_v * self.weight_v).sum(self.axes, keepdims=self.keeps))
        weight = self.weight_v * (self.weight_g / norm)
        if self.is_dense:
            return {ops}.dense(x, weight, self.bias)
        if self.is_flat:
            x = x.expand_dims(2)
        if self.is_transposed:
            shape = (x.shape[0], self.channels)
            for i in range(2):
                span = self.dilation[i] * (self.kernel_size[i] - 1) + 1
                grown = (x.shape[2 + i] - 1) * self.stride[i] + span
                shape += (grown - self.padding[2 * i] - self.padding[2 * i + 1],)
            x = self.convolution(x, weight, shape)
        else:
            x = self.convolution(x, weight)
        if self.bias is not None:
            x = {ops}.bias_add(x, self.bias)
        return x.squeeze(2) if self.is_flat else x
'''

_MODULE_DICT = '''\
class {name}({nn}.Cell):
    """Layers by name, which are its attributes, too; a CellDict takes no containers of layers."""

    def __init__(self, modules=None):
        super().__init__()
        self.update(modules or ())

    def update(self, modules):
        for key, module in dict(modules).items():
            self[key] = module

    def __setitem__(self, key, module):
        if hasattr(self, key) and key not in self:
            raise KeyError(f"attribute '{{key}}' already exists")
        setattr(self, key, module)

    def __getitem__(self, key):
        return self.name_cells()[key]

    def __delitem__(self, key):
        delattr(self, key)

    def __contains__(self, key):
        return key in self.name_cells()

    def __iter__(self):
        return iter(self.name_cells())

    def __len__(self):
        return len(self.name_cells())

    def keys(self):
        return self.name_cells().keys()

    def values(self):
        return self.name_cells().values()

    def items(self):
        return self.name_cells().items()
'''

_NAMED_PARAMETERS = '''\
def {name}(cell, prefix=''):
    """Yield a Cell's parameters as torch's named_parameters does: its names, no statistics."""
    norms = ({nn}.BatchNorm1d, {nn}.BatchNorm2d, {nn}.GroupNorm, {nn}.LayerNorm)
    inside, seen = {{}}, set()
    for path, layer in cell.cells_and_names(name_prefix=prefix):
        path = inside.get(path, path)
        names = {{}}
        if isinstance(layer, {nn}.BatchNorm3d):  # it holds a BatchNorm2d that has its parameters
            inside[f'{{path}}.bn2d' if path else 'bn2d'] = path
        elif isinstance(layer, norms):
            names = {{'gamma': 'weight', 'beta': 'bias', 'moving_mean': '', 'moving_variance': ''}}
        elif isinstance(layer, ({nn}.Embedding, {nn}.PReLU)):
            names = {{'embedding_table': 'weight', 'w': 'weight'}}
        for name, parameter in layer.parameters_and_names(expand=False):
            known = names.get(name, name)
            if not known or id(parameter) in seen or getattr(layer, 'affine', True) is False:
                continue
            if isinstance(layer, norms[:2]) and not parameter.requires_grad:
                raise ValueError(f'{{path}}: frozen, or affine=False, which torch tells apart')
            seen.add(id(parameter))
            yield (f'{{path}}.{{known}}' if path else known), parameter
'''

_DIAG = '''\
def {name}(x):
    """Return a matrix with the values on its diagonal, or the diagonal of a matrix, as torch."""
    return {ops}.diag(x) if x.ndim == 1 else x.diagonal()
'''

_PAD = '''\
def {name}(x, widths, mode='constant', value=None):
    """torch.nn.functional.pad: what crops by a negative width is sliced, where MindSpore errs."""
    for i in range(len(widths) // 2):
        axis = x.ndim - 1 - i
        start, end = max(0, -widths[2 * i]), max(0, -widths[2 * i + 1])
        if start > 0 or end > 0:
            x = x.narrow(axis, start, x.shape[axis] - start - end)
    return {ops}.pad(x, tuple([max(0, one) for one in widths]), mode, value)
'''

_VAR = '''\
def {name}(x, axis=None, ddof=1, keepdims=False):
    """torch.var: its gradient is 0 where nothing varies, that of ops.var is not a number."""
    mean = x.mean(axis, True)
    total = {ops}.square(x - mean).sum(axis, keepdims=keepdims)
    return total / (x.size // mean.size - ddof)
'''

_STD = '''\
def {name}(x, axis=None, ddof=1, keepdims=False):
    """torch.std: its gradient is 0 where nothing varies, that of ops.std is not a number."""
    mean = x.mean(axis, True)
    total = {ops}.square(x - mean).sum(axis, keepdims=keepdims)
    var = total / (x.size // mean.size - ddof)
    varies = var > 0
    return {ops}.where(varies, {ops}.sqrt({ops}.where(varies, var, {ops}.ones_like(var))), var)
'''

_ON_GPU = '''\
@{ops}.constexpr
def {name}():
    """Say whether MindSpore runs on a GPU; GRAPH_MODE asks once, when it compiles."""
    return {ms}.get_context('device_target') == 'GPU'
'''

_REPEATED = '''\
def {name}(x, n):
    """Return a tuple: what is given, or n times the one value that is given."""
    return tuple(x) if hasattr(x, '__iter__') else (x,) * n
'''

_FINFO = '''\
@{ms}.jit_class
class {name}:
    """The limits of a dtype of decimals, as torch.finfo has them."""

    def __init__(self, dtype):
        import numpy

        found = numpy.finfo({ms}.dtype_to_nptype(dtype))
        self.bits, self.max, self.min = int(found.bits), float(found.max), float(found.min)
        self.eps, self.tiny = float(found.eps), float(found.tiny)
        self.smallest_normal, self.resolution = self.tiny, 10.0 ** -int(found.precision)
'''

_FLOAT_TENSOR = '''\
def {name}(data):
    """Return a Tensor of float32 as torch.Tensor does: zeros of a size, or the numbers given."""
    if isinstance(data, int):
        return {ops}.zeros((data,), {ms}.float32)
    if isinstance(data, tuple) or getattr(data, 'shape', None) == ():
        raise TypeError('a size or numbers? write ops.zeros, or give a list')
    return {ms}.Tensor(data, {ms}.float32)
'''

_KL_DIV = '''\
def {name}(input, target, reduction='mean'):
    """Return kl_div with a gradient for the target, which MindSpore's has not."""
    loss = {ops}.where(target == 0, target, target * {ops}.log(target)) - target * input
    if reduction == 'batchmean':
        return loss.sum() / input.shape[0]
    if reduction == 'sum':
        return loss.sum()
    return loss.mean() if reduction == 'mean' else loss
'''

_NOT_MIGRATED = '''\
def {name}(expression, reason):
    """Raise for an expression of torch's that has to be written for MindSpore by hand."""
    raise NotImplementedError(f'{{expression}}: {{reason}}')
'''

_FUNCTION = (
    ParameterSpec("input", required=True),
    ParameterSpec("weight", required=True),
    ParameterSpec("bias", default_none=True),
    ParameterSpec("stride", default=1),
    *(ParameterSpec(name, default=0) for name in ("padding", "output_padding")),
    *(ParameterSpec(name, default=1) for name in ("groups", "dilation")),
)

_SPREAD = (
    ParameterSpec("x", required=True),
    ParameterSpec("axis", default_none=True),
    ParameterSpec("ddof", default=1),
    ParameterSpec("keepdims", default=False),
)

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
        Helper("Rearrange", _AXES, (ParameterSpec("pattern", required=True),), ("mindspore.nn",)),
        Helper(
            "pack",
            _PACKED,
            tuple(ParameterSpec(one, required=True) for one in ("tensors", "before", "after")),
            ("mindspore.ops",),
        ),
        Helper(
            "unpack",
            _UNPACKED,
            tuple(ParameterSpec(one, required=True) for one in ("x", "shapes", "axis")),
            ("mindspore.ops",),
        ),
        Helper(
            "Reduce",
            _REDUCED,
            (ParameterSpec("pattern", required=True), ParameterSpec("reduction", required=True)),
            ("mindspore.nn",),
        ),
        Helper(
            "WeightNorm",
            _WEIGHT_NORM,
            (ParameterSpec("layer", required=True), ParameterSpec("dim", default=0)),
            ("mindspore", "mindspore.nn", "mindspore.ops"),
        ),
        Helper(
            "ModuleDict",
            _MODULE_DICT,
            (ParameterSpec("modules", default_none=True),),
            ("mindspore.nn",),
        ),
        Helper(
            "named_parameters",
            _NAMED_PARAMETERS,
            (ParameterSpec("cell", required=True), ParameterSpec("prefix", default="")),
            ("mindspore.nn",),
        ),
        Helper("diag", _DIAG, (ParameterSpec("x", required=True),), ("mindspore.ops",)),
        Helper(
            "pad",
            _PAD,
            (
                ParameterSpec("x", required=True),
                ParameterSpec("widths", required=True),
                ParameterSpec("mode", default="constant"),
                ParameterSpec("value", default_none=True),
            ),
            ("mindspore.ops",),
        ),
        Helper("std", _STD, _SPREAD, ("mindspore.ops",)),
        Helper("var", _VAR, _SPREAD, ("mindspore.ops",)),
        Helper("is_on_gpu", _ON_GPU, (), ("mindspore", "mindspore.ops")),
        Helper(
            "ntuple",
            _REPEATED,
            (ParameterSpec("x", required=True), ParameterSpec("n", required=True)),
            (),
        ),
        Helper("finfo", _FINFO, (ParameterSpec("dtype", required=True),), ("mindspore",)),
        Helper(
            "float_tensor",
            _FLOAT_TENSOR,
            (ParameterSpec("data", required=True),),
            ("mindspore", "mindspore.ops"),
        ),
        Helper(
            "kl_div",
            _KL_DIV,
            (
                ParameterSpec("input", required=True),
                ParameterSpec("target", required=True),
                ParameterSpec("reduction", default="mean"),
            ),
            ("mindspore.ops",),
        ),
        Helper(
            "not_migrated",
            _NOT_MIGRATED,
            tuple(ParameterSpec(one, required=True) for one in ("expression", "reason")),
            (),
        ),
        Helper("ms_conv_transpose1d", _CONV_TRANSPOSE_1D, _FUNCTION, ("mindspore.ops",)),
        Helper("ms_conv_transpose2d", _CONV_TRANSPOSE_2D, _FUNCTION, ("mindspore.ops",)),
        Helper("ms_conv_transpose3d", _CONV_TRANSPOSE_3D, _FUNCTION, ("mindspore.ops",)),
    )
}
