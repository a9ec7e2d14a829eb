"""The network of images: a small residual one, which takes images of any size and any number of channels."""

import torch
from torch import nn
from torch.nn import functional

# a stem of stride 2 from this side on: smaller images have no pixels to spare
_STRIDED_FROM = 32
# the last stages do not halve images below this side
_SMALLEST = 4


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a way around them (He et al. 2016, section 3.3).

    Parameters
    ----------
    n_in, n_out : int
        Channels.
    stride : int
        Stride of the first convolution, and of the way around.
    """

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.around = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.around = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, images):
        """Map (n, n_in, height, width) to (n, n_out, height / stride, width / stride)."""
        return functional.relu_(self.body(images) + self.around(images))


class MeanSDPooling(nn.Module):
    """Mean and standard deviation over the pixels of every channel, side by side.

    The mean says how much of a pattern there is, the deviation whether it is everywhere or in few places.
    """

    def forward(self, images):
        """Map (n, channels, height, width) to (n, 2 channels), in float32."""
        pixels = images.flatten(2).float()
        mean = pixels.mean(dim=2)
        variance = (pixels - mean[:, :, None]).square().mean(dim=2)
        # the derivative of a square root at 0 is infinite
        return torch.cat([mean, (variance + 1e-6).sqrt()], dim=1)


def make_cnn(in_shape, embedding_dim, widths=(16, 32, 64), blocks=1):
    """The default encoder of images: a small residual network with mean + SD pooling.

    A 3x3 convolution (of stride 2 for images of 32 pixels or more), stages of residual blocks, each but the
    first halving height and width, then mean and standard deviation over what is left, and a linear layer.
    It is fully convolutional: trained on crops, it embeds whole images.

    Parameters
    ----------
    in_shape : tuple of three ints
        Channels, height and width of the training images; any number of channels.
    embedding_dim : int
        Width of the output.
    widths : sequence of int, default=(16, 32, 64)
        Channels of the stages.
    blocks : int, default=1
        Residual blocks in each stage.

    Returns
    -------
    torch.nn.Sequential
        The network, 73,000 weights for two channels with the defaults.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. CVPR 2016, section 3.3.

    Examples
    --------
    >>> import torch
    >>> from archetypal_triplet.triplets import make_cnn
    >>> network = make_cnn((5, 40, 40), 32)
    >>> network(torch.zeros(2, 5, 40, 40)).shape
    torch.Size([2, 32])
    >>> network(torch.zeros(2, 5, 100, 70)).shape
    torch.Size([2, 32])
    """
    n_channels, *sides = in_shape
    stride = 2 if min(sides) >= _STRIDED_FROM else 1
    side = min(sides) // stride
    layers = [
        nn.Conv2d(n_channels, widths[0], 3, stride, 1, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(inplace=True),
    ]
    n_in = widths[0]
    for stage, width in enumerate(widths):
        stride = 2 if stage > 0 and side >= 2 * _SMALLEST else 1
        side //= stride
        for block in range(blocks):
            layers.append(ResidualBlock(n_in, width, stride if block == 0 else 1))
            n_in = width
    return nn.Sequential(*layers, MeanSDPooling(), nn.Linear(2 * n_in, embedding_dim))
