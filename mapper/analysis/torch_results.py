"""Tables of what torch's functions, layers and Tensor methods return, if not just a Tensor."""

from __future__ import annotations

from collections.abc import Mapping

from mapper.analysis.kinds import (
    BOOL,
    DEVICE,
    DTYPE,
    FLOAT,
    INT,
    NONE,
    NUMBER,
    OBJECT,
    PARAMETER,
    SIZE,
    STR,
    TENSOR,
    UNKNOWN,
    Kind,
    join,
    many,
    tuple_of,
    words,
)
from mapper.analysis.torch_names import is_torch_module

PAIR = tuple_of((TENSOR, TENSOR))
TRIPLE = tuple_of((TENSOR, TENSOR, TENSOR))
TENSORS = many("tuple", TENSOR)
ARRAY = Kind("object", "numpy.ndarray")
MAYBE_TENSOR = join((TENSOR, NONE))

BY_DIM = frozenset(("max", "min", "median", "nanmedian"))
"""A Tensor of everything, a pair along a dimension; `max` and `min` of two Tensors a Tensor."""

SHARED: Mapping[str, Kind] = {
    **dict.fromkeys(
        words(
            """
            aminmax cummax cummin frexp geqrf histogram kthvalue mode qr slogdet sort topk
            """
        ),
        PAIR,
    ),
    "svd": TRIPLE,
    **dict.fromkeys(
        words(
            """
            chunk dsplit hsplit split split_with_sizes tensor_split unbind unsafe_chunk
            unsafe_split vsplit
            """
        ),
        TENSORS,
    ),
    **dict.fromkeys(
        words(
            """
            allclose equal is_complex is_conj is_floating_point is_inference is_neg is_nonzero
            is_same_size is_signed is_distributed
            """
        ),
        BOOL,
    ),
    **dict.fromkeys(("numel", "get_device"), INT),
    **dict.fromkeys(
        ("unique", "unique_consecutive", "lu", "lstsq", "solve", "eig", "symeig"), UNKNOWN
    ),
}
"""Functions of `torch` and Tensor methods of the same name."""

METHODS: Mapping[str, Kind] = {
    **SHARED,
    **dict.fromkeys(
        words(
            """
            dim ndimension nelement element_size storage_offset dense_dim sparse_dim data_ptr
            output_nr
            """
        ),
        INT,
    ),
    **dict.fromkeys(
        words(
            """
            is_contiguous is_coalesced is_pinned is_set_to is_shared __bool__
            """
        ),
        BOOL,
    ),
    **dict.fromkeys(("backward", "retain_grad", "record_stream"), NONE),
    **dict.fromkeys(
        words(
            """
            storage untyped_storage register_hook register_post_accumulate_grad_hook
            """
        ),
        OBJECT,
    ),
    "item": NUMBER,
    "numpy": ARRAY,
    "tolist": UNKNOWN,
    "dequantize": UNKNOWN,
}
"""Tensor methods that return something else than one Tensor."""

ATTRIBUTES: Mapping[str, Kind] = {
    "shape": SIZE,
    "dtype": DTYPE,
    "device": DEVICE,
    **dict.fromkeys(words("T H mT mH real imag data"), TENSOR),
    "grad": MAYBE_TENSOR,
    "grad_fn": UNKNOWN,
    **dict.fromkeys(("ndim", "itemsize", "nbytes"), INT),
    **dict.fromkeys(
        words(
            """
            is_cpu is_cuda is_leaf is_meta is_mps is_nested is_quantized is_sparse is_xpu
            requires_grad retains_grad
            """
        ),
        BOOL,
    ),
    "layout": OBJECT,
    "name": join((STR, NONE)),
}

TENSOR_METHODS = frozenset(
    words(
        """
        abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr adjoint all amax
        amin angle any apply_ arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax argmin
        argsort argwhere as_strided as_strided_scatter asin asinh atan atan2 atanh baddbmm
        bernoulli bfloat16 bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
        bitwise_right_shift bitwise_xor bmm bool broadcast_to byte cdouble ceil cfloat chalf
        char cholesky cholesky_inverse cholesky_solve clamp clamp_max clamp_min clip clone
        coalesce conj conj_physical contiguous copysign corrcoef cos cosh count_nonzero cov cpu
        cross cuda cumprod cumsum deg2rad det detach diag diag_embed diagflat diagonal
        diagonal_scatter diff digamma dist div divide dot double eq erf erfc erfinv exp exp2
        expand expand_as expm1 fix flatten flip fliplr flipud float float_power floor
        floor_divide fmax fmin fmod frac gather gcd ge ger greater greater_equal gt half
        hardshrink heaviside histc hypot i0 igamma igammac index_add index_copy index_fill
        index_put index_reduce index_select indices inner int inverse isclose isfinite isinf
        isnan isneginf isposinf isreal istft kron lcm ldexp le lerp less less_equal lgamma log
        log10 log1p log2 log_softmax logaddexp logaddexp2 logcumsumexp logdet logical_and
        logical_not logical_or logical_xor logit logsumexp long lt map_ masked_fill
        masked_scatter masked_select matmul matrix_exp matrix_power maximum mean minimum mm
        moveaxis movedim msort mul multinomial multiply mv mvlgamma nan_to_num nanmean
        nanquantile nansum narrow narrow_copy ne neg negative new new_empty new_empty_strided
        new_full new_ones new_tensor new_zeros nextafter nonzero norm not_equal outer permute
        pin_memory pinverse polygamma positive pow prelu prod put quantile rad2deg ravel
        reciprocal relu remainder renorm repeat repeat_interleave reshape reshape_as resize
        resize_as roll rot90 round rsqrt scatter scatter_add scatter_reduce select
        select_scatter sgn short sigmoid sign signbit sin sinc sinh slice_scatter smm softmax
        sqrt square squeeze std stft sub subtract sum sum_to_size swapaxes swapdims t take
        take_along_dim tan tanh tile to to_dense to_sparse trace transpose tril triu true_divide
        trunc type_as unflatten unfold unsqueeze values var vdot view view_as where xlogy
        """
    )
)
"""Tensor methods that return one Tensor; so do those of their names with an underscore."""

IN_PLACE = frozenset(
    words(
        """
        apply_ bernoulli_ cauchy_ copy_ detach_ exponential_ fill_ fill_diagonal_ geometric_
        log_normal_ map2_ map_ normal_ random_ requires_grad_ resize_ resize_as_ set_
        share_memory_ uniform_ zero_
        """
    )
)
"""Methods that change the Tensor and have no counterpart without underscore."""

_SPECIAL_METHODS = frozenset(("size", "stride", "type"))

TENSOR_ONLY = frozenset(
    words(
        """
        unsqueeze unsqueeze_ permute contiguous masked_fill masked_fill_ expand_as view_as
        type_as new_zeros new_ones new_full new_empty new_tensor softmax log_softmax sigmoid
        relu matmul bmm chunk unbind detach cuda requires_grad_ mul_ add_ sub_ div_ zero_ fill_
        copy_ clamp_ normal_ uniform_ gather scatter_ scatter_add_ index_select
        repeat_interleave unfold rsqrt numel logsumexp narrow movedim
        """
    )
)
"""Methods that no other usual class has: who calls one on a parameter expects a Tensor."""


def has_attribute(name: str) -> bool:
    """Say whether a Tensor has an attribute or method of this name."""
    return (
        name in ATTRIBUTES
        or name in METHODS
        or name in BY_DIM
        or name in _SPECIAL_METHODS
        or is_in_place(name)
        or name in TENSOR_METHODS
        or (name.startswith("__") and name.endswith("__"))
    )


def is_in_place(name: str) -> bool:
    """Say whether a Tensor method changes the Tensor that it is called on."""
    plain = name.removesuffix("_")
    return name in IN_PLACE or (plain != name and plain in TENSOR_METHODS)


# --- functions ------------------------------------------------------------------------------------

_TENSOR_MODULES = (
    "torch", "torch.nn.functional", "torch.nn.init", "torch.linalg", "torch.fft", "torch.special",
    "torch._C._nn",
)  # fmt: skip
_UNKNOWN_FUNCTIONS = frozenset(
    words(
        """
        compile cond load fork wait vmap while_loop from_dlpack histogramdd lobpcg lu_unpack
        pca_lowrank svd_lowrank quantize_per_tensor get_rng_state gradient lstm gru rnn_tanh
        rnn_relu embedding_bag
        """
    )
)
FUNCTIONS: Mapping[str, Kind] = {
    **{f"torch.{name}": kind for name, kind in SHARED.items()},
    **{f"torch.{name}": UNKNOWN for name in _UNKNOWN_FUNCTIONS},
    **dict.fromkeys(
        [
            f"torch.{name}"
            for name in words(
                """
                is_tensor is_storage is_grad_enabled is_autocast_enabled can_cast
                is_inference_mode_enabled is_deterministic_algorithms_warn_only_enabled
                are_deterministic_algorithms_enabled compiled_with_cxx11_abi cuda.is_available
                """
            )
        ],
        BOOL,
    ),
    **dict.fromkeys(
        ("torch.initial_seed", "torch.seed", "torch.get_num_threads", "torch.cuda.device_count"),
        INT,
    ),
    **dict.fromkeys(
        [
            f"torch.{name}"
            for name in words(
                """
                save set_default_dtype set_default_tensor_type set_default_device
                set_num_threads set_printoptions set_rng_state set_grad_enabled
                use_deterministic_algorithms set_float32_matmul_precision
                """
            )
        ],
        NONE,
    ),
    **dict.fromkeys(
        [f"torch.{name}" for name in words("no_grad enable_grad inference_mode autocast")], OBJECT
    ),
    **dict.fromkeys(("torch.finfo", "torch.iinfo", "torch.manual_seed"), OBJECT),
    "torch.device": DEVICE,
    "torch.dtype": UNKNOWN,
    "torch.get_default_dtype": DTYPE,
    "torch.promote_types": DTYPE,
    "torch.result_type": DTYPE,
    "torch.Size": SIZE,
    "torch.broadcast_shapes": SIZE,
    **dict.fromkeys(("torch.meshgrid", "torch.broadcast_tensors"), TENSORS),
    **dict.fromkeys([f"torch.atleast_{n}d" for n in (1, 2, 3)], UNKNOWN),
    **dict.fromkeys(("torch.std_mean", "torch.var_mean"), PAIR),
    **dict.fromkeys(
        ("torch.adaptive_max_pool1d", "torch.lstm_cell", "torch.triangular_solve"), PAIR
    ),
    "torch.autograd.Variable": TENSOR,
    "torch.autograd.grad": TENSORS,
    "torch.nn.Parameter": PARAMETER,
    "torch.nn.Buffer": TENSOR,
    "torch.Tensor": TENSOR,
    "torch.nn.init.calculate_gain": FLOAT,
    "torch.nn.init._calculate_fan_in_and_fan_out": tuple_of((INT, INT)),
    "torch.nn.init._calculate_correct_fan": INT,
    "torch.nn.functional.multi_head_attention_forward": tuple_of((TENSOR, MAYBE_TENSOR)),
    "torch.linalg.svd": TRIPLE,
    "torch.linalg.lstsq": UNKNOWN,
    "torch.linalg.lu": TRIPLE,
    **dict.fromkeys(
        [f"torch.linalg.{n}" for n in words("eig eigh qr slogdet inv_ex cholesky_ex lu_factor")],
        PAIR,
    ),
    "torch.utils.checkpoint.checkpoint": UNKNOWN,
    "torch.nn.utils.clip_grad_norm_": TENSOR,
    "torch.nn.utils.parameters_to_vector": TENSOR,
}
"""Functions of torch that return something else than one Tensor, by qualified name."""

WRAPPERS = frozenset(
    f"torch.nn.utils.{name}"
    for name in (
        "weight_norm", "remove_weight_norm", "spectral_norm", "remove_spectral_norm",
        "parametrizations.weight_norm", "parametrizations.spectral_norm", "fuse_conv_bn_eval",
    )
) | {
    "torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel", "torch.compile",
    "torch.jit.script", "torch.jit.trace", "torch.nn.SyncBatchNorm.convert_sync_batchnorm",
    "torch.nn.utils.spectral_norm.spectral_norm", "torch.nn.utils.weight_norm.weight_norm",
}  # fmt: skip
"""Functions that hand on their first argument, a layer, in another state."""

_TENSOR_CLASSES = frozenset(
    f"torch.{prefix}{kind}Tensor"
    for prefix in ("", "cuda.")
    for kind in ("", "Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long",
                 "Bool")
)  # fmt: skip
_DTYPES = frozenset(
    words(
        """
        float float16 float32 float64 half double bfloat16 int int8 int16 int32 int64 short long
        uint8 uint16 uint32 uint64 bool complex64 complex128 complex32 cfloat cdouble qint8
        quint8
        """
    )
)
_PATHS = ("torch.nn.modules.", "torch.nn.parameter.")


def canonical(name: str) -> str:
    """Return the usual qualified name of a torch API."""
    for path in _PATHS:
        if name.startswith(path) and name.count(".") >= path.count(".") + 1:
            return f"torch.nn.{name.rpartition('.')[2]}"
    return "torch.autograd.Variable" if name == "torch.autograd.variable.Variable" else name


def is_module_name(name: str) -> bool:
    """Say whether a qualified name is a module of torch, or of numpy."""
    if name in ("numpy.random", "numpy.linalg", "os.path"):
        return True
    return is_torch_module(name)


def is_tensor_class(name: str) -> bool:
    """Say whether a qualified name is a class whose instances are Tensors."""
    return name in _TENSOR_CLASSES


def is_dtype(name: str) -> bool:
    """Say whether a qualified name is a dtype."""
    head, _, last = name.rpartition(".")
    return head == "torch" and last in _DTYPES


_IN_PLACE_AT = {
    "torch.nn.": {
        "ReLU": 0, "ReLU6": 0, "SiLU": 0, "Mish": 0, "Hardswish": 0, "Hardsigmoid": 0, "SELU": 0,
        "LeakyReLU": 1, "ELU": 1, "CELU": 1, "Threshold": 2, "Hardtanh": 2, "RReLU": 2,
        "Dropout": 1, "Dropout1d": 1, "Dropout2d": 1, "Dropout3d": 1, "AlphaDropout": 1,
        "FeatureAlphaDropout": 1,
    },
    "torch.nn.functional.": {
        "relu": 1, "relu6": 1, "silu": 1, "mish": 1, "hardswish": 1, "hardsigmoid": 1, "selu": 1,
        "leaky_relu": 2, "elu": 2, "celu": 2, "threshold": 3, "hardtanh": 3, "rrelu": 4,
        "dropout": 3, "dropout1d": 3, "dropout2d": 3, "dropout3d": 3, "alpha_dropout": 3,
        "feature_alpha_dropout": 3,
    },
}  # fmt: skip


IN_PLACE_FUNCTIONS = frozenset(("torch.relu_", "torch.nn.functional.relu_"))
"""Functions that always change what they are given, and return it."""


def in_place_at(name: str) -> int | None:
    """Return where `inplace` stands among the arguments of a layer or function that has it."""
    head, _, last = name.rpartition(".")
    if head.startswith("torch.nn.modules"):
        head = "torch.nn"
    return _IN_PLACE_AT.get(f"{head}.", {}).get(last)


def is_layer_class(name: str) -> bool:
    """Say whether a qualified name is a class of layers."""
    head, _, last = name.rpartition(".")
    return name in _OTHER_LAYERS or (
        head == "torch.nn"
        and last[:1].isupper()
        and last not in ("Parameter", "Buffer", "UninitializedParameter", "UninitializedBuffer")
    )


def is_torch_function(name: str) -> bool:
    """Say whether a qualified name is a function; unless a table says else, it returns a Tensor."""
    head, _, last = name.rpartition(".")
    return head in _TENSOR_MODULES and not last[:1].isupper() and not is_dtype(name)


_OTHER_LAYERS = frozenset(("einops.layers.torch.Rearrange", "einops.layers.torch.Reduce"))

# --- layers ---------------------------------------------------------------------------------------

CONTAINERS = frozenset(
    ("torch.nn.ModuleList", "torch.nn.ModuleDict", "torch.nn.ParameterList",
     "torch.nn.ParameterDict")
)  # fmt: skip
NO_RESULT = frozenset(("torch.nn.Module", *CONTAINERS))
"""Layers whose call says nothing."""

_ANY_HIDDEN = tuple_of((TENSOR, UNKNOWN))
LAYERS: Mapping[str, Kind] = {
    **dict.fromkeys(("torch.nn.GRU", "torch.nn.RNN"), _ANY_HIDDEN),
    "torch.nn.LSTM": tuple_of((UNKNOWN, PAIR)),
    "torch.nn.LSTMCell": PAIR,
    "torch.nn.MultiheadAttention": tuple_of((TENSOR, MAYBE_TENSOR)),
    "torch.nn.AdaptiveLogSoftmaxWithLoss": PAIR,
    **dict.fromkeys(NO_RESULT, UNKNOWN),
}
"""Layers whose call gives something else than one Tensor."""

LAYER_ATTRIBUTES: Mapping[str, Kind] = {
    "weight": PARAMETER,
    "bias": join((PARAMETER, NONE)),
    "running_mean": MAYBE_TENSOR,
    "running_var": MAYBE_TENSOR,
    "num_batches_tracked": MAYBE_TENSOR,
    "in_proj_weight": join((PARAMETER, NONE)),
    "in_proj_bias": join((PARAMETER, NONE)),
    **dict.fromkeys(
        words(
            """
            in_features out_features in_channels out_channels num_features groups embedding_dim
            num_embeddings hidden_size input_size num_layers num_groups num_channels embed_dim
            num_heads head_dim
            """
        ),
        INT,
    ),
    "eps": FLOAT,
    **dict.fromkeys(("affine", "track_running_stats", "elementwise_affine", "inplace"), BOOL),
    "padding_mode": STR,
}
"""Attributes of torch's layers."""

MODULE_ATTRIBUTES: Mapping[str, Kind] = {
    "training": BOOL,
    "_modules": many("dict", Kind("layer")),
    "_parameters": many("dict", join((PARAMETER, NONE))),
    "_buffers": many("dict", MAYBE_TENSOR),
}
CONTAINER_METHODS = frozenset(words("append extend insert pop keys values items update clear"))
SELF_RETURNING = frozenset(
    words(
        """
        to cuda cpu float half double bfloat16 eval train requires_grad_ apply type xpu to_empty
        share_memory
        """
    )
)
MODULE_METHODS: Mapping[str, Kind] = {
    "parameters": many("iterator", PARAMETER),
    "buffers": many("iterator", TENSOR),
    "named_parameters": many("iterator", tuple_of((STR, PARAMETER))),
    "named_buffers": many("iterator", tuple_of((STR, TENSOR))),
    "modules": many("iterator", Kind("layer")),
    "children": many("iterator", Kind("layer")),
    "named_modules": many("iterator", tuple_of((STR, Kind("layer")))),
    "named_children": many("iterator", tuple_of((STR, Kind("layer")))),
    "state_dict": many("dict", TENSOR),
    "get_parameter": PARAMETER,
    "get_submodule": Kind("layer"),
    **dict.fromkeys(
        words(
            """
            register_buffer register_parameter add_module register_module zero_grad
            reset_parameters
            """
        ),
        NONE,
    ),
    "extra_repr": STR,
    "load_state_dict": OBJECT,
}
"""Methods that every module has, with what they return."""
