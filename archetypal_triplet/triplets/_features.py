"""Any torch module as what turns images into features, once, without training it."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from archetypal_triplet.triplets._images import ImageRows, is_images
from archetypal_triplet.triplets._seeding import resolve_device

# bytes of images that a backbone gets at a time
_CHUNK_BYTES = 2**25


class TorchFeatures:
    """Features of images from a trained torch module, which stays as it is.

    An engine for `ImageFeatures`, and the `backbone` of a
    :class:`~archetypal_triplet.TripletEmbedder`: a callable from images (n, channels, height, width) to
    features (n, p). Intensities are scaled by `limits`, the same for all images, never per image.

    Parameters
    ----------
    module : torch.nn.Module or callable
        Maps a float32 tensor (n, channels, height, width) to (n, p); of maps (n, p, h, w) the mean over the
        pixels is taken. A module is put into evaluation mode.
    limits : tuple (low, high) or None, default=None
        Intensities that become 0 and 1, numbers or one for each channel. None leaves values as they are.
    size : int or tuple of two ints, default=None
        Height and width to which images are resized (bilinear, antialiased).
    per_channel : int, default=0
        Above 0 the module sees one channel at a time, repeated this many times (3 for networks of color
        photographs), and the features of the channels are put side by side.
    batch_size : int, default=32
        Images at a time.
    device : str or torch.device, default="auto"
        Where to compute.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from archetypal_triplet.triplets import TorchFeatures
    >>> backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    >>> engine = TorchFeatures(backbone, limits=(0, 4095), per_channel=3, device="cpu")
    >>> engine(np.zeros((7, 2, 16, 16), dtype=np.uint16)).shape
    (7, 8)
    """

    def __init__(self, module, *, limits=None, size=None, per_channel=0, batch_size=32, device="auto"):
        if isinstance(module, type) or not callable(module):
            raise ValueError(
                f"module={module!r} is not a module that maps images to features; pass an instance with its "
                "weights loaded, not a class."
            )
        self.module = module
        self.limits = limits
        self.size = size
        self.per_channel = per_channel
        self.batch_size = batch_size
        self.device = device

    @torch.inference_mode()
    def __call__(self, images):
        """Compute features.

        Parameters
        ----------
        images : array-like of shape (n, channels, height, width)
            Images; anything with shape, dtype and row access.

        Returns
        -------
        ndarray of shape (n, p), float32
            The features.

        Raises
        ------
        ValueError
            If there are not four dimensions, `limits` do not fit the channels, or the module returns no
            features.
        """
        if not is_images(images):
            raise ValueError(
                f"TorchFeatures got an input of shape {np.shape(images)}; it takes images (n, channels, "
                "height, width)."
            )
        rows = images if isinstance(images, ImageRows) else ImageRows(_as_array(images))
        device = resolve_device(self.device)
        if isinstance(self.module, nn.Module):
            self.module.to(device).eval()
        low, scale = self._make_scale(rows.shape[1], device)
        found = []
        for start in range(0, len(rows), self.batch_size):
            read = rows.read(slice(start, start + self.batch_size))
            # every batch has the same number of rows: products round differently for different numbers
            batch = np.zeros((self.batch_size, *read.shape[1:]), dtype=np.float32)
            batch[: len(read)] = read
            batch = torch.from_numpy(batch).to(device).sub_(low).mul_(scale)
            found.append(self._compute(batch)[: len(read)].float().cpu().numpy())
        return np.concatenate(found)

    def _make_scale(self, n_channels, device):
        low, high = (0.0, 1.0) if self.limits is None else self.limits
        try:
            low, high = (np.broadcast_to(np.asarray(v, dtype=np.float64), n_channels) for v in (low, high))
        except ValueError:
            raise ValueError(
                f"limits={self.limits!r} do not fit images with {n_channels} channels: give (low, high), "
                "each a number or one number for each channel."
            ) from None
        if not (high > low).all():
            raise ValueError(
                f"limits={self.limits!r} are not allowed: high must be above low in every channel."
            )
        return tuple(
            torch.from_numpy(v.astype(np.float32)).view(1, -1, 1, 1).to(device)
            for v in (low, 1 / (high - low))
        )

    def _compute(self, images):
        if self.size is not None:
            size = (self.size, self.size) if np.isscalar(self.size) else tuple(self.size)
            images = functional.interpolate(images, size, mode="bilinear", antialias=True)
        if not self.per_channel:
            return self._pool(self.module(images), len(images))
        parts = [
            self._pool(self.module(images[:, [i]].expand(-1, self.per_channel, -1, -1)), len(images))
            for i in range(images.shape[1])
        ]
        return torch.cat(parts, dim=1)

    def _pool(self, out, n_images):
        if isinstance(out, torch.Tensor) and out.dim() == 4:
            out = out.mean(dim=(2, 3))
        if not isinstance(out, torch.Tensor) or out.dim() != 2 or len(out) != n_images:
            got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
            name = type(self.module).__name__
            raise ValueError(
                f"module={name} returned {got} for {n_images} images; it must return (n, p) or maps (n, p, "
                "h, w). Wrap it in a module that picks the features."
            )
        return out


def _as_array(images):
    if isinstance(images, torch.Tensor):
        return images.detach().cpu().numpy()
    return np.asarray(images) if isinstance(images, (list, tuple)) else images


def compute_backbone_features(backbone, rows):
    """Features of all images from a frozen backbone, read and computed in chunks.

    Parameters
    ----------
    backbone : callable
        Maps an array (n, channels, height, width) to features (n, p).
    rows : ImageRows
        The images.

    Returns
    -------
    ndarray of shape (n_samples, p), float32
        The features.

    Raises
    ------
    ValueError
        If what it returns has another shape, or holds NaN.
    """
    if isinstance(backbone, nn.Module):
        name = type(backbone).__name__
        raise ValueError(
            f"backbone={name} is a torch module: wrap it, backbone=TorchFeatures({name}(...)), so that it is "
            "known how pixels are scaled and where it runs."
        )
    n_bytes = int(np.prod(rows.shape[1:])) * rows.dtype.itemsize
    # TorchFeatures fills batches up to their size
    size = max(1, _CHUNK_BYTES // n_bytes)
    size = max(size - size % 32, min(size, 32))
    found = []
    for start in range(0, len(rows), size):
        chunk = rows.read(slice(start, start + size))
        features = np.asarray(backbone(chunk), dtype=np.float32)
        if features.ndim != 2 or len(features) != len(chunk):
            raise ValueError(
                f"backbone={type(backbone).__name__} returned an array of shape {features.shape} for "
                f"{len(chunk)} images; it must return features (n, p). Put a torch module into TorchFeatures."
            )
        if not np.isfinite(features).all():
            row = start + int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise ValueError(
                f"backbone={type(backbone).__name__} returned NaN or infinity (first: row {row}). Look at "
                "the pixels of that image and at the backbone's scaling."
            )
        found.append(features)
    return np.concatenate(found)
