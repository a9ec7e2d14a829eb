"""Networks from input to embedding."""

import inspect

import torch
from torch import nn
from torch.nn import functional


def make_mlp(in_shape, embedding_dim, hidden=(128, 128)):
    """The default encoder of tables: linear, batch norm, ReLU for every hidden layer, then linear.

    Parameters
    ----------
    in_shape : tuple of one int
        Number of columns.
    embedding_dim : int
        Width of the output.
    hidden : sequence of int
        Widths of the hidden layers.

    Returns
    -------
    torch.nn.Sequential
        The network.
    """
    layers = []
    width = in_shape[0]
    for size in hidden:
        # batch norm has a bias of its own; the linear layer's would do nothing
        layers += [nn.Linear(width, size, bias=False), nn.BatchNorm1d(size), nn.ReLU()]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, embedding_dim))


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


def build_body(in_shape, embedding_dim, factory=None, factory_kwargs=None):
    """Call the factory, handing over what its signature takes, and check what came back.

    Parameters
    ----------
    in_shape : tuple of int
        Shape of one sample.
    embedding_dim : int
        Width that the output must have.
    factory : class, callable or None
        None stands for :func:`make_mlp`. `in_shape` and `embedding_dim` are passed if its signature has
        parameters of these names (or `**kwargs`).
    factory_kwargs : dict or None
        Further arguments; they win over the two above.

    Returns
    -------
    torch.nn.Module
        The network.

    Raises
    ------
    ValueError
        If the factory makes no torch module, or one whose output for a batch of two samples is not
        (2, embedding_dim).
    """
    factory = make_mlp if factory is None else factory
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
    with torch.no_grad():
        shape = tuple(body(torch.zeros(2, *in_shape)).shape)
    if shape != (2, embedding_dim):
        raise ValueError(
            f"module={name} maps two samples of shape {tuple(in_shape)} to {shape}; it must map them to "
            f"(2, {embedding_dim}). Let it take embedding_dim as an argument, or set "
            "TripletEmbedder(embedding_dim=...) to its output's width."
        )
    return body


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

    def forward(self, inputs):
        """Map (n, *in_shape) to unit vectors (n, embedding_dim)."""
        return functional.normalize(self.body(inputs).float(), dim=1)
