"""Random changes of training images that keep what they show, made on the device for a whole batch."""

import numpy as np
import torch
from torch.nn import functional


class ImageAugmentation:
    """Random flips, quarter turns, intensity changes and blur of a batch of images.

    What :class:`~archetypal_triplet.TripletEmbedder` does to training images unless `augment` says
    otherwise. Every image of a batch gets its own changes; intensities change by channel. Random crops are
    not made here: `crop_size` of the embedder reads nothing but them.

    Parameters
    ----------
    flips : bool, default=True
        Mirror half of the images.
    turns : bool, default=True
        Turn images by 0, 90, 180 or 270 degrees, images that are not square by 0 or 180.
    jitter : float, default=0.1
        Standard deviation of the intensity changes ``x * (1 + jitter * u) + jitter * v``, u and v standard
        normal, drawn for every channel of every image, x in standard deviations of the channel.
    blur : float, default=0.0
        Largest standard deviation, in pixels, of a Gaussian blur; that of an image is drawn between 0 and it.

    Examples
    --------
    >>> import torch
    >>> from archetypal_triplet.triplets import ImageAugmentation
    >>> images = torch.arange(18.0).reshape(2, 1, 3, 3)
    >>> turned = ImageAugmentation(jitter=0)(images, torch.Generator().manual_seed(0))
    >>> turned.shape
    torch.Size([2, 1, 3, 3])
    >>> torch.equal(turned.flatten(1).sort().values, images.flatten(1))
    True
    """

    def __init__(self, *, flips=True, turns=True, jitter=0.1, blur=0.0):
        for name, value in (("jitter", jitter), ("blur", blur)):
            if not (np.isscalar(value) and 0 <= value < np.inf):
                raise ValueError(f"{name}={value!r} is not allowed: give a number of at least 0, 0 for none.")
        self.flips = flips
        self.turns = turns
        self.jitter = jitter
        self.blur = blur
        self._orders = {}

    def __repr__(self):
        return (
            f"ImageAugmentation(flips={self.flips!r}, turns={self.turns!r}, jitter={self.jitter!r}, "
            f"blur={self.blur!r})"
        )

    def __getstate__(self):
        return {**self.__dict__, "_orders": {}}

    def __call__(self, images, generator=None):
        """Return a changed copy of a batch.

        Parameters
        ----------
        images : Tensor of shape (n, channels, height, width), float32
            The standardized images.
        generator : torch.Generator or None, default=None
            Source of randomness, on the images' device.

        Returns
        -------
        Tensor of the same shape
            The changed images.
        """
        n, n_channels = images.shape[:2]
        draws = {"generator": generator, "device": images.device}
        if self.flips or self.turns:
            images = self._orient(images, torch.rand(n, **draws))
        if self.blur:
            sigma = self.blur * torch.rand(n, **draws)
            images = blur_images(images, sigma, radius=int(np.ceil(3 * self.blur)))
        if self.jitter:
            factor, shift = self.jitter * torch.randn(2, n, n_channels, 1, 1, **draws)
            images = torch.addcmul(shift, images, 1 + factor)
        return images

    def _orient(self, images, draws):
        height, width = images.shape[2:]
        key = (height, width, images.device)
        if key not in self._orders:
            self._orders[key] = self._make_orders(height, width).to(images.device)
        orders = self._orders[key]
        chosen = (draws * len(orders)).long().clamp_(max=len(orders) - 1)
        flat = images.flatten(2)
        return flat.gather(2, orders[chosen][:, None].expand(flat.shape)).view(images.shape)

    def _make_orders(self, height, width):
        """Where each pixel comes from, one row for each of the orientations allowed."""
        pixels = torch.arange(height * width).reshape(height, width)
        turns = [0] if not self.turns else [0, 1, 2, 3] if height == width else [0, 2]
        turned = [torch.rot90(pixels, k) for k in turns]
        if self.flips:
            turned += [p.flip(1) for p in turned]
            if not self.turns:
                # without turns both mirror images have to come from flips
                turned += [p.flip(0) for p in turned]
        return torch.stack([p.flatten() for p in turned])


def blur_images(images, sigma, *, radius):
    """Gaussian blur, each image by a width of its own.

    Parameters
    ----------
    images : Tensor of shape (n, channels, height, width)
        Images.
    sigma : Tensor of shape (n,)
        Standard deviations in pixels; 0 leaves an image as it is.
    radius : int
        Pixels to each side that count.

    Returns
    -------
    Tensor of the same shape
        Blurred images; beyond an edge the edge's pixel counts.
    """
    n, n_channels, height, width = images.shape
    # an edge is repeated, so that a window larger than the image means nothing new
    radius = min(radius, height - 1, width - 1)
    if radius == 0:
        return images
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp_min(1e-3)[:, None]).square())
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(n_channels, dim=0)
    planes = images.reshape(1, n * n_channels, height, width)
    for shape, padding in (((-1, 1), (0, 0, radius, radius)), ((1, -1), (radius, radius, 0, 0))):
        weight = kernel.reshape(n * n_channels, 1, *shape)
        planes = functional.conv2d(
            functional.pad(planes, padding, mode="replicate"), weight, groups=n * n_channels
        )
    return planes.view(images.shape)
