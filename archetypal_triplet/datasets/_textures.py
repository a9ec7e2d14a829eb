"""Periodic tiles of texture, from which rendered cells cut their chromatin, filaments and fibers."""

from functools import lru_cache

import numpy as np
from scipy import fft

TILE = 256
N_ANGLES = 12
_SEED = 20220706  # the tiles belong to the renderer, as a typeface does: one set for all screens


def _make_noise(rng, spectrum):
    """Filtered white noise of mean 0 and SD 1."""
    noise = fft.ifft2(fft.fft2(rng.standard_normal((TILE, TILE))) * spectrum).real
    return ((noise - noise.mean()) / noise.std()).astype(np.float32)


def _lines(noise, width):
    """Contour lines of a noise: a net of curved filaments."""
    return np.exp(-((noise / width) ** 2)).astype(np.float32)


@lru_cache(maxsize=1)
def get_tiles():
    """All tiles by name, (n, TILE, TILE) each: chromatin, thin and thick filaments, granules, fibers."""
    rng = np.random.default_rng(_SEED)
    ky, kx = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(TILE)] * 2, indexing="ij")
    k2 = kx**2 + ky**2

    def band(fine, coarse):
        return np.exp(-(fine**2) * k2 / 2) - np.exp(-(coarse**2) * k2 / 2)

    tiles = {
        "chromatin": _make_noise(rng, band(1.0, 3.5)),
        "thin": _lines(_make_noise(rng, band(2.2, 6.0)), 0.35),
        "thick": _lines(_make_noise(rng, band(4.0, 12.0)), 0.4),
        "granules": np.maximum(_make_noise(rng, band(0.9, 2.5)), 0) ** 1.5,
    }
    tiles = {name: tile[None] for name, tile in tiles.items()}
    fibers = []
    for angle in np.pi * np.arange(N_ANGLES) / N_ANGLES:
        along = kx * np.cos(angle) + ky * np.sin(angle)
        across = -kx * np.sin(angle) + ky * np.cos(angle)
        ridge = np.exp(-((14 * along) ** 2) / 2 - across**2 / 2) - np.exp(
            -((14 * along) ** 2) / 2 - (4 * across) ** 2 / 2
        )
        fibers.append(np.maximum(_make_noise(rng, ridge), 0))
    tiles["fibers"] = np.stack(fibers)
    for tile in tiles.values():
        tile.setflags(write=False)
    return tiles


def cut_tiles(name, size, corners, which=None):
    """Cut a square of `size` pixels at each of `corners`, (n, size, size), from tile `which` (default 0)."""
    tile = get_tiles()[name]
    out = np.empty((len(corners), size, size), dtype=np.float32)
    which = np.zeros(len(corners), dtype=int) if which is None else which
    for i, ((y, x), t) in enumerate(zip((corners % (TILE - size)).tolist(), which.tolist(), strict=True)):
        out[i] = tile[t, y : y + size, x : x + size]
    return out
