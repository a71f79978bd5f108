"""The systems: one paper a file in `image/` and `video/`, composed of `parts/`, quantizers and rates."""

from collections.abc import Callable

from .image.coin import coin
from .image.fourier import fourier
from .image.hash_grid import hash_grid
from .image.l0onie import l0onie
from .image.nif import nif
from .image.pyramid import pyramid
from .image.rqat_inr import rqat_inr
from .image.siren import siren
from .image.strumpler import strumpler
from .method import Method

METHODS: dict[str, Callable[..., Method]] = {
    "pyramid": pyramid,
    "siren": siren,
    "hash_grid": hash_grid,
    "fourier": fourier,
    "coin": coin,
    "strumpler": strumpler,
    "l0onie": l0onie,
    "rqat_inr": rqat_inr,
    "nif": nif,
}
