"""PyTorch's further names: where each is found, and how it becomes a method of Tensor.

`python -m tinytorch.names` says how many of the names that tutorials use are here.
"""

import re
import sys

from .device import device

PUBLIC = {  # module -> the names that `tinytorch.name` finds there; name=function if they differ
    "names.maths": """
        acos acosh addcdiv addcmul addmm adjoint allclose amin aminmax arccos=acos arccosh=acosh
        arcsin=asin arcsinh=asinh arctan2=atan2 arctan=atan arctanh=atanh asin asinh atan atan2
        atanh baddbmm bmm cdist ceil clamp_max clamp_min cos cosh cosine_similarity count_nonzero
        cumprod deg2rad det dot einsum equal erf erfc exp2 expm1 fix=trunc floor fmod frac hypot
        inner inverse isclose isfinite isinf isnan kron kthvalue lerp log10 log1p log2 logaddexp
        logsumexp median mm mv nan_to_num nanmean nansum outer quantile rad2deg reciprocal
        round rsqrt sign sin sinh square std_mean t tan tensordot trace trunc var=variance
        var_mean vdot=dot xlogy""",
    "names.further": """
        addmv addr bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
        bitwise_xor block_diag combinations copysign corrcoef cov cross cummax cummin digamma dist
        erfinv float_power ger heaviside histogram hsplit lgamma logcumsumexp logit mode nextafter
        positive renorm rot90 scatter_reduce sgn signbit sinc trapezoid trapz=trapezoid vsplit""",
    "linalg": """
        chain_matmul=multi_dot cholesky logdet matrix_exp matrix_power pinverse=pinv qr slogdet
        svd=old_svd""",
    "names.places": """
        argsort argwhere=nonzero atleast_1d atleast_2d bincount broadcast_tensors broadcast_to
        bucketize cartesian_prod column_stack diag diag_embed diagonal diff dstack flip=flipped
        fliplr flipud histc hstack index_add index_copy index_fill index_put index_select
        is_floating_point is_tensor isin logical_and=logical_and_of logical_not=logical_not_of
        logical_or=logical_or_of logical_xor=logical_xor_of masked_scatter masked_select meshgrid
        moveaxis=movedim movedim msort narrow nonzero numel ravel repeat_interleave roll
        row_stack=vstack scatter scatter_add searchsorted select sort swapaxes swapdims=swapaxes
        take take_along_dim tensor_split tile tril_indices triu_indices unbind unflatten unique
        unique_consecutive vstack where=picked_where""",
    "names.creation": """
        BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor Generator HalfTensor IntTensor
        LongTensor ShortTensor Size Tensor=FloatsTensor arange channels_last
        contiguous_format poisson preserve_format
        set_default_tensor_type strided
        as_tensor asarray=as_tensor bernoulli bfloat16 broadcast_shapes can_cast dtype e empty
        empty_like eye finfo float16 from_dlpack from_torch full full_like get_default_dtype
        get_rng_state half=float16 iinfo inf initial_seed int16 int8 linspace logspace multinomial
        nan normal ones ones_like pi promote_types rand rand_like randint randint_like randn
        randn_like randperm result_type scalar_tensor seed set_default_dtype set_printoptions
        set_rng_state short=int16 to_torch zeros zeros_like""",
    "names.wider": """
        add cat concat=cat concatenate=cat log_softmax=log_softmax_of masked_fill matmul maximum
        mean=average minimum mul multiply=mul prod rsub softmax=softmax_of sub subtract=sub
        sum=total""",
    "names.custom": "grad",
    "names.devices": """
        GradScaler accelerator autocast backends compile device
        get_default_device get_float32_matmul_precision jit mps set_default_device
        set_float32_matmul_precision
        use_deterministic_algorithms version xpu""",
    "names.storage": "load save",
    "functions": "clip=clamp div=divided divide=divided true_divide=divided",
    "tensor": """
        absolute=tensor_abs clone eq floor_divide ge greater=gt greater_equal=ge gt
        le less=lt less_equal=le lt ne negative=neg not_equal=ne remainder""",
    "nn.functional": """
        batch_norm celu constant_pad_nd dropout embedding group_norm layer_norm pairwise_distance
        prelu relu_ rms_norm selu threshold""",
    # functions from above and of the lessons that call their arguments otherwise than PyTorch does
    "names.words": """
        addcdiv addcmul addmm addmv addr adjoint allclose amin aminmax arctan2 argmin argsort
        argwhere atan2 baddbmm bincount bitwise_and bitwise_left_shift bitwise_not bitwise_or
        bitwise_right_shift bitwise_xor bmm broadcast_to bucketize cholesky chunk clamp_max
        clamp_min combinations copysign corrcoef count_nonzero cov cross cummax cummin diag diff
        dist div divide dot eq equal flatten flip fliplr flipud float_power frac ge ger greater
        greater_equal gt heaviside histc histogram hsplit index_add index_copy index_fill index_put
        index_select inner is_floating_point isclose isnan kron kthvalue le lerp less less_equal
        logdet logical_and logical_not logical_or logical_xor logit lt masked_scatter masked_select
        matrix_exp matrix_power max median min mm mode moveaxis movedim msort mv nan_to_num nanmean
        nansum narrow ne nextafter nonzero norm not_equal numel outer pinverse positive qr quantile
        ravel renorm repeat_interleave rot90 round scatter scatter_add scatter_reduce searchsorted
        select signbit slogdet sort split std std_mean svd swapaxes swapdims t take take_along_dim
        tensor_split tensordot tile topk trace true_divide unbind unflatten unique
        unique_consecutive var var_mean vdot vsplit where""",
}
METHODS = {  # module -> the methods of Tensor that stand there
    "linalg": """
        cholesky logdet matrix_exp matrix_power pinverse=pinv qr slogdet svd=old_svd""",
    "names.maths": """
        acos acosh addcdiv addcmul addmm adjoint allclose amin aminmax arctan=atan asin asinh atan
        atan2 atanh baddbmm bmm ceil clamp_max clamp_min cos cosh count_nonzero cumprod deg2rad det
        dot equal erf erfc exp2 expm1 floor fmod frac hypot inner inverse isclose isfinite isinf
        isnan kron kthvalue lerp log10 log1p log2 logaddexp logsumexp median mm mv nan_to_num
        nanmean nansum outer prod quantile rad2deg reciprocal round rsqrt sign sin sinh square t tan
        trace trunc vdot=dot xlogy""",
    "names.further": """
        __lshift__=bitwise_left_shift __rshift__=bitwise_right_shift
        __rlshift__=shifted_left __rrshift__=shifted_right __pos__=positive addmv addr bitwise_and
        bitwise_not bitwise_or bitwise_xor copysign cov cross cummax cummin digamma dist erfinv
        float_power ger lgamma logcumsumexp logit mode positive renorm rot90 scatter_reduce sgn
        signbit sinc""",
    "names.places": """
        argsort argwhere=nonzero as_strided bincount broadcast_to data_ptr diag diag_embed diagonal
        diff element_size expand_as flip=flipped fliplr flipud histc index_add index_copy index_fill
        index_put index_select is_contiguous is_floating_point logical_and=logical_and_of
        logical_not=logical_not_of logical_or=logical_or_of logical_xor=logical_xor_of
        masked_scatter masked_select moveaxis=movedim movedim msort narrow nelement=numel nonzero
        ravel repeat=repeated repeat_interleave reshape_as roll scatter scatter_add select sort
        storage_offset stride swapaxes swapdims=swapaxes take take_along_dim tensor_split tile
        unbind unflatten unfold unique unique_consecutive view_as where=where_method""",
    "names.creation": """
        __dlpack__=to_dlpack __dlpack_device__=dlpack_device bernoulli byte char half=to_half
        multinomial new new_empty=new_zeros new_full new_ones new_tensor new_zeros short=to_int16
        type=type_of""",
    "names.devices": """
        bfloat16=no_bfloat16 cuda=no_gpu get_device pin_memory=itself
        share_memory_=itself xpu=no_gpu""",
    "names.custom": "register_hook",
    "names.inplace": """
        abs_ acos_ addcdiv_ addcmul_ asin_ atan_ bernoulli_ ceil_ clamp_ clamp_max_ clamp_min_
        clip_ cos_ cosh_ cumsum_ detach_ erf_ exp2_ exp_ expm1_ exponential_ fill_diagonal_ floor_
        floor_divide_ fmod_ frac_ index_add_ index_copy_ index_fill_ index_put_ lerp_ log10_
        log1p_ log2_ log_ masked_scatter_ nan_to_num_ neg_ pow_ random_ geometric_ log_normal_
        cauchy_ reciprocal_ relu_ remainder_ round_ rsqrt_ scatter_ scatter_add_ scatter_reduce_
        sgn_ sigmoid_ sign_ sin_ sinh_ sqrt_ square_
        squeeze_ t_ tan_ tanh_ transpose_ tril_ triu_ trunc_ unsqueeze_""",
    "functions": "clip=clamp ndimension=dim",
    "tensor": """
        absolute=tensor_abs divide=div eq floor_divide ge greater=gt greater_equal=ge gt le
        less=lt less_equal=le lt multiply=mul ne negative=neg not_equal=ne remainder subtract=sub
        true_divide=div""",
}
OF_MODULES = {  # class of module 03 -> its further methods, which stand in nn.tree
    "Module": """
        _get_name=get_name bfloat16 compile=compile_in_place cuda=no_gpu get_buffer get_parameter
        get_submodule half register_forward_pre_hook=forward_pre_hook register_full_backward_hook
        register_backward_hook=register_full_backward_hook register_module register_parameter
        share_memory type=to_type""",
    "ModuleList": "insert pop __delitem__=delete __iadd__=extended __add__=together",
}
OPTIMIZERS = "use optim.Adam or optim.SGD, or write it: inherit from optim.Optimizer"
PARAMETRIZE = "compute the weight in forward, as in F.linear(x, change(self.weight), self.bias)"
DRAWN = {  # distribution -> the method of NumPy's generator that draws from it
    "Beta": "beta(a, b, shape)",
    "Binomial": "binomial(n, p, shape)",
    "Dirichlet": "dirichlet(concentration, count)",
    "Gamma": "gamma(concentration, 1 / rate, shape)",
    "Gumbel": "gumbel(loc, scale, shape)",
    "Laplace": "laplace(loc, scale, shape)",
    "StudentT": "standard_t(df, shape)",
}
REASONS = {  # what PyTorch has and this library has not, on purpose
    "complex64": "numbers are real here",
    "sparse": "all tensors are dense here",
    "fft": "use np.fft on t.detach().numpy()",
    "onnx": "use save(model.state_dict(), path), which writes safetensors",
    "hub": "nothing is downloaded; GPT.from_pretrained(folder) reads a folder",
    "multiprocessing": "tinytorch.parallel runs over threads and processes",
    "vmap": "write the batch as a dimension",
    "func": "backward() gives gradients, but none of gradients; load_state_dict() other weights",
    "Conv2d": "convolutions belong to module 09, which is not written yet",
    "conv2d": "convolutions belong to module 09, which is not written yet",
    "MaxPool2d": "convolutions belong to module 09, which is not written yet",
    "BatchNorm2d": "convolutions belong to module 09, which is not written yet",
    "LSTM": "no lesson has recurrent layers; attention took their place",
    "RNN": "no lesson has recurrent layers; attention took their place",
    "ASGD": OPTIMIZERS,
    "Rprop": OPTIMIZERS,
    "SparseAdam": OPTIMIZERS,
    "Adafactor": OPTIMIZERS,
    "GRU": "no lesson has recurrent layers; attention took their place",
    "CTCLoss": "nothing aligns sequences here; cross_entropy takes a target for every place",
    "DataParallel": "there is one CPU: call the model itself, with the whole batch",
    "DistributedDataParallel": "there is one CPU: call the model itself, with the whole batch",
    "Upsample": "nearest: x.repeat_interleave(2, -1).repeat_interleave(2, -2)",
    "as_strided": "use x.unfold(dim, size, step), or reshape and slices",
    "bilinear": "use nn.Bilinear, or einsum('...i,kij,...j->...k', x1, weight, x2)",
    "cholesky_solve": "write linalg.solve(L @ L.mT, B)",
    "detach": "it is a method: x.detach()",
    "functional_call": "load_state_dict() gives a model other weights",
    "gradient": "use np.gradient on t.detach().numpy()",
    "instance_norm": "use nn.InstanceNorm1d, or F.group_norm(x, x.shape[1])",
    "pack_padded_sequence": "pad_sequence makes one tensor, and a mask says where it is padded",
    "parametrize": PARAMETRIZE,
    "parametrizations": PARAMETRIZE,
    "slice_scatter": "write y = x.clone(); y[start:end] = src",
    "solve_triangular": "use linalg.solve(A, B), for any matrix A",
    "spectral_norm": "in forward, divide by linalg.matrix_norm(weight.detach(), 2)",
    "weight_norm": "in forward, compute g * v / v.norm(dim=1, keepdim=True) of two parameters",
    "HalfNormal": "draw Normal(0.0, scale).sample().abs()",
    "LogNormal": "draw Normal(loc, scale).sample().exp()",
    "OneHotCategorical": "draw F.one_hot(Categorical(probs).sample(), probs.shape[-1]).float()",
    **{
        name: f"draw rng.{call} by NumPy, rng = np.random.default_rng(0), and use from_numpy(...)"
        for name, call in DRAWN.items()
    },
}
REASONS |= {
    "ctc_loss": REASONS["CTCLoss"],
    "interpolate": REASONS["Upsample"],
    "pad_packed_sequence": REASONS["pack_padded_sequence"],
    "pack_sequence": REASONS["pack_padded_sequence"],
}
STEMS = {  # the same for names without their "2d" or "Cell"
    **dict.fromkeys(("LSTM", "RNN", "GRU"), REASONS["LSTM"]),
    **dict.fromkeys(("Conv", "conv", "ConvTranspose", "conv_transpose"), REASONS["Conv2d"]),
    **dict.fromkeys(("MaxPool", "max_pool", "AvgPool", "avg_pool"), REASONS["Conv2d"]),
    **dict.fromkeys(
        ("ZeroPad", "ConstantPad"),
        "use nn.functional.pad(x, (left, right), value=0.0); in two dimensions the sizes are "
        "(left, right, top, bottom)",
    ),
    **dict.fromkeys(("AdaptiveAvgPool", "adaptive_avg_pool", "Dropout"), REASONS["Conv2d"]),
}


def homes(table):
    """A table as a dictionary: name -> (module, name of the function there).

    >>> homes({"functions": "norm clip=clamp"})
    {'norm': ('functions', 'norm'), 'clip': ('functions', 'clamp')}
    """
    found = {}
    for module, names in table.items():
        for entry in names.split():
            name, _, function = entry.partition("=")
            found[name] = module, function or name
    return found


def attach(core):
    """Give the Tensor of module 01 its further methods, each loaded when it is first used.

    What the class has already stays as it is. A method that is missing costs nothing: there is no
    `__getattr__`, which would make every access to an attribute slower.

    Args:
        core: the module `tinytorch.tensor`.
    """
    own = vars(core.Tensor)
    for name, (module, function) in homes(METHODS).items():
        if name not in own:
            where = None if module == "tensor" else module
            setattr(core.Tensor, name, core.calls(function, where))
    core.Tensor.device = device("cpu")  # equal to "cpu", and has a type and an index
    core.SPELLINGS |= {"input": "x", "other": "y"}
    from . import wider  # noqa: F401  at its end it gives the class more

    for name, part in PROPERTIES.items():
        if name not in own:
            setattr(core.Tensor, name, property(part))


PROPERTIES = {
    "is_sparse": lambda t: False,
    "is_quantized": lambda t: False,
    "is_meta": lambda t: False,
    "layout": lambda t: "strided",
    "grad_fn": lambda t: t.made_by,
    "is_cuda": lambda t: False,
    "itemsize": lambda t: t.array.itemsize,
    "nbytes": lambda t: t.array.nbytes,
    "H": lambda t: t.mT,
}


def furnish(name, module):
    """What happens when a module of the package was loaded: see `attach` and `of_autograd`."""
    if name == "tensor":
        attach(module)
    elif name == "layers":
        for method, (owner, function) in homes(OF_MODULES).items():
            if not hasattr(vars(module)[owner], method):
                made = sys.modules["tinytorch.tensor"].calls(function, "nn.tree")
                setattr(vars(module)[owner], method, made)
    elif name == "autograd":
        module.__getattr__ = of_autograd
        from . import custom  # noqa: F401  at its end it widens backward and gradcheck


def of_autograd(name):
    """`tinytorch.autograd.grad` and what else PyTorch keeps there."""
    if name in ("inference_mode", "is_grad_enabled", "set_grad_enabled"):
        from .. import functions

        return getattr(functions, name)
    from . import custom

    if name in custom.PUBLIC:
        return getattr(custom, name)
    raise unknown(name, "tinytorch.autograd", ["backward", "gradcheck", "grad", "no_grad"])


def unknown(name, space, known):
    """The error for a name that is not there: the nearest one that is, or the reason.

    >>> str(unknown("arrange", "tinytorch", ["arange", "zeros"]))
    "module 'tinytorch' has no attribute 'arrange': did you mean 'arange'?"
    """
    import difflib

    reason = REASONS.get(name) or STEMS.get(re.sub("(_?[123]d|Cell)$", "", name))
    why = f": {reason}" if reason else ""
    near = [] if why else difflib.get_close_matches(name, known, 1, 0.7)
    why = f": did you mean {near[0]!r}?" if near else why
    return AttributeError(f"module {space!r} has no attribute {name!r}{why}", name=name)
