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
        If the factory makes no torch module, one that cannot take the samples, or one whose output for a
        batch of two samples is not (2, embedding_dim).
    """
    factory = default_factory(in_shape) if factory is None else factory
    name = getattr(factory, "__name__", repr(factory))
    offered = {"in_shape": in_shape, "embedding_dim": embedding_dim}
    parameters = inspect.signature(factory).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        offered = {key: value for key, value in offered.items() if key in parameters}
    body = factory(**{**offered, **(factory_kwargs or {})})
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


def find_memory_format(body, in_shape):
    """The order in memory in which a network takes its samples.

    Convolutions are faster, on the CPU by a fifth, where the channels of a pixel lie beside each other.

    Parameters
    ----------
    body : torch.nn.Module
        The network, in evaluation mode.
    in_shape : tuple of int
        Shape of one sample.

    Returns
    -------
    torch.memory_format
        ``torch.channels_last`` for a network of images, unless it cannot take them so (one that calls `view`
        on its input cannot); else ``torch.contiguous_format``.
    """
    if len(in_shape) != 3:
        return torch.contiguous_format
    images = torch.zeros(2, *in_shape).contiguous(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            body(images)
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last


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
        self.memory_format = find_memory_format(self.body, in_shape)
        self.body.to(memory_format=self.memory_format)

    def forward(self, inputs):
        """Map (n, *in_shape) to unit vectors (n, embedding_dim)."""
        if inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=self.memory_format)
        return functional.normalize(self.body(inputs).float(), dim=1)
