"""Estimators as arrays and plain values: parameters and fitted attributes, nothing that could run."""

import numpy as np


def encode_estimator(estimator):
    """Split a fitted estimator into arrays and values that JSON knows.

    Parameters
    ----------
    estimator : estimator
        Fitted; parameters and attributes are numbers, texts, arrays of these, and lists, tuples or
        dictionaries of such.

    Returns
    -------
    tensors : dict of str to ndarray
        Numeric arrays.
    state : dict
        ``params`` and ``attributes``; an array in them is a reference to its tensor.

    Raises
    ------
    TypeError
        If something else is met.
    """
    tensors = {}
    state = {}
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    for part, values in (("params", estimator.get_params(deep=False)), ("attributes", fitted)):
        state[part] = {name: _encode(value, f"{part}.{name}", tensors) for name, value in values.items()}
    return tensors, state


def decode_estimator(cls, tensors, state):
    """Build an estimator of class `cls` from what `encode_estimator` returned."""
    estimator = cls(**{name: _decode(value, tensors) for name, value in state["params"].items()})
    for name, value in state["attributes"].items():
        setattr(estimator, name, _decode(value, tensors))
    return estimator


def _encode(value, name, tensors):
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, np.ndarray):
        return _encode_array(value, name, tensors)
    if isinstance(value, (np.generic, float)):
        # JSON knows neither NaN nor infinity, and its reader does not keep the type
        return _encode_array(np.asarray(value), name, tensors) | {"scalar": True}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"{name} cannot be saved: its keys are not all text.")
        return {"dict": {key: _encode(item, f"{name}.{key}", tensors) for key, item in value.items()}}
    if isinstance(value, (list, tuple)):
        kind = type(value).__name__
        return {kind: [_encode(item, f"{name}.{i}", tensors) for i, item in enumerate(value)]}
    if hasattr(value, "__array__"):  # the columns of a frame, say
        return _encode_array(np.asarray(value), name, tensors)
    raise TypeError(f"{name} cannot be saved: it is of type {type(value).__name__}.")


def _encode_array(array, name, tensors):
    if array.dtype.kind in "fiub":
        tensors[name] = array
        return {"tensor": name}
    if all(isinstance(item, str) for item in array.ravel()):
        return {"text": array.tolist(), "dtype": "object" if array.dtype.kind == "O" else "str"}
    raise TypeError(f"{name} cannot be saved: it is an array of {array.dtype}.")


def _decode(value, tensors):
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        array = tensors[value["tensor"]]
        return array[()].item() if value.get("scalar") else array
    if "text" in value:
        return np.asarray(value["text"], dtype=value["dtype"])
    if "dict" in value:
        return {key: _decode(item, tensors) for key, item in value["dict"].items()}
    kind, items = next(iter(value.items()))
    return {"list": list, "tuple": tuple}[kind](_decode(item, tensors) for item in items)
