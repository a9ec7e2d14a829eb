"""Networks from input to embedding."""

import inspect

import torch
from torch import nn
from torch.nn import functional

from archetypal_triplet.triplets._image_encoders import make_cnn


def make_mlp(in_shape, embedding_dim, hidden=(128, 128), skip=False):
    """The default encoder of tables: linear, batch norm, ReLU for every hidden layer, then linear.

    Parameters
    ----------
    in_shape : tuple of one int
        Number of columns.
    embedding_dim : int
        Width of the output.
    hidden : sequence of int, default=(128, 128)
        Widths of the hidden layers.
    skip : bool, default=False
        Add the input itself to the output, so that the network only learns what to change: as it is where
        there are as many columns as dimensions, else through a projection that begins orthogonal and is
        trained along.

    Returns
    -------
    torch.nn.Module
        The network.

    Examples
    --------
    >>> import torch
    >>> from archetypal_triplet.triplets import make_mlp
    >>> make_mlp((30,), 32, hidden=(64,), skip=True)(torch.zeros(2, 30)).shape
    torch.Size([2, 32])
    """
    layers = []
    width = in_shape[0]
    for size in hidden:
        # batch norm has a bias of its own; the linear layer's would do nothing
        layers += [nn.Linear(width, size, bias=False), nn.BatchNorm1d(size), nn.ReLU()]
        width = size
    body = nn.Sequential(*layers, nn.Linear(width, embedding_dim))
    return SkipMLP(body, in_shape[0], embedding_dim) if skip else body


class SkipMLP(nn.Module):
    """A network and a way around it.

    Parameters
    ----------
    body : torch.nn.Module
        Maps (n, n_columns) to (n, embedding_dim).
    n_columns, embedding_dim : int
        Widths of input and output.
    """

    def __init__(self, body, n_columns, embedding_dim):
        super().__init__()
        self.body = body
        self.around = nn.Identity()
        if n_columns != embedding_dim:
            self.around = nn.Linear(n_columns, embedding_dim, bias=False)
            nn.init.orthogonal_(self.around.weight)

    def forward(self, inputs):
        """Map (n, n_columns) to (n, embedding_dim)."""
        return self.around(inputs) + self.body(inputs)


def check_module(module):
    """Raise unless `module` is None, a class or a factory of torch modules.

    Parameters
    ----------
    module : class, callable or None
        The estimator's parameter.

    Raises
    ------
    ValueError
        If it is an instance of a torch module, which cloning and refitting could not start afresh.
    """
    if isinstance(module, nn.Module):
        name = type(module).__name__
        raise ValueError(
            f"module={name}(...) is an instance; pass the class or a function that makes one, so that every "
            f"fit starts from fresh weights: TripletEmbedder(module={name}, module_kwargs=dict(...))."
        )


def default_factory(in_shape):
    """What makes the network where `module` is None: one for tables, one for images."""
    return make_cnn if len(in_shape) == 3 else make_mlp


def build_body(in_shape, embedding_dim, factory=None, factory_kwargs=None):
    """Call the factory, handing over what its signature takes, and check what came back.

    Parameters
    ----------
    in_shape : tuple of int
        Shape of one sample.
    embedding_dim : int
        Width that the output must have.
    factory : class, callable or None
        None stands for :func:`make_mlp`, or :func:`make_cnn` for images. `in_shape` and `embedding_dim` are
        passed if its signature has parameters of these names (or `**kwargs`).
    factory_kwargs : dict or None
        Further arguments; they win over the two above.

    Returns
    -------
    torch.nn.Module
        The network.

    Raises
    ------
    ValueError
        If the factory does not take the arguments, makes no torch module, one that cannot take the samples,
        or one whose output for a batch of two samples is not (2, embedding_dim).
    """
    factory = default_factory(in_shape) if factory is None else factory
    name = getattr(factory, "__name__", repr(factory))
    offered = {"in_shape": in_shape, "embedding_dim": embedding_dim}
    signature = inspect.signature(factory)
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        offered = {key: value for key, value in offered.items() if key in signature.parameters}
    arguments = {**offered, **(factory_kwargs or {})}
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise ValueError(
            f"module_kwargs={factory_kwargs!r} do not fit module={name}{signature}: {error}. "
            "Leave out what it does not take, and give what it needs."
        ) from error
    body = factory(**arguments)
    if not isinstance(body, nn.Module):
        raise ValueError(
            f"module={name} returned a {type(body).__name__}; it must return a torch.nn.Module that maps "
            f"(n, {', '.join(map(str, in_shape))}) to (n, embedding_dim)."
        )
    body.eval()
    try:
        with torch.no_grad():
            shape = tuple(body(torch.zeros(2, *in_shape)).shape)
    except RuntimeError as error:
        raise ValueError(
            f"module={name} fails on a batch of zeros of shape {(2, *in_shape)}: "
            f"{str(error).splitlines()[0]} "
            "Let it take in_shape, the shape of one sample, as an argument, and build for that."
        ) from error
    if shape != (2, embedding_dim):
        raise ValueError(
            f"module={name} maps two samples of shape {tuple(in_shape)} to {shape}; it must map them to "
            f"(2, {embedding_dim}). Let it take embedding_dim as an argument, or set "
            "TripletEmbedder(embedding_dim=...) to its output's width."
        )
    return body


def find_channels_last(body, in_shape, *, is_ours):
    """Where a network gets images with the channels of each pixel beside each other: convolutions like that.

    Parameters
    ----------
    body : torch.nn.Module
        The network, in evaluation mode.
    in_shape : tuple of int
        Shape of one sample.
    is_ours : bool
        Whether :func:`make_cnn` made it.

    Returns
    -------
    tuple of str
        Types of device. On CUDA a network that can take images so (one that calls `view` on them cannot); on
        the CPU, where it saves a fifth of a step, only our own, and only if all its widths are multiples of
        16: the backward pass of oneDNN 3.12 writes past the end of narrower strided convolutions.
    """
    if len(in_shape) != 3 or any(weights.dim() > 4 for weights in body.parameters()):
        return ()
    try:
        with torch.no_grad():
            body(torch.zeros(2, *in_shape).contiguous(memory_format=torch.channels_last))
    except RuntimeError:
        return ()
    widths = [layer.out_channels for layer in body.modules() if isinstance(layer, nn.Conv2d)]
    return ("cpu", "cuda") if is_ours and not any(width % 16 for width in widths) else ("cuda",)


class UnitLengthEncoder(nn.Module):
    """A network whose output is scaled to unit length, in float32.

    Parameters
    ----------
    in_shape : tuple of int
        Shape of one sample.
    embedding_dim : int
        Width of the output.
    factory : class, callable or None
        See :func:`build_body`.
    factory_kwargs : dict or None
        See :func:`build_body`.
    """

    def __init__(self, in_shape, embedding_dim, factory=None, factory_kwargs=None):
        super().__init__()
        self.body = build_body(in_shape, embedding_dim, factory, factory_kwargs)
        self.channels_last = find_channels_last(self.body, in_shape, is_ours=factory in (None, make_cnn))
        if "cpu" in self.channels_last:
            self.body.to(memory_format=torch.channels_last)

    def forward(self, inputs):
        """Map (n, *in_shape) to unit vectors (n, embedding_dim)."""
        if inputs.device.type in self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return functional.normalize(self.body(inputs).float(), dim=1)
