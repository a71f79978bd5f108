"""The systems: one paper a file in `image/` and `video/`, composed of `parts/`, quantizers and rates."""

from collections.abc import Callable

from .image.c3 import c3
from .image.coin import coin
from .image.cool_chic import cool_chic
from .image.eqlinr import eqlinr
from .image.pyramid import pyramid
from .image.siren import siren
from .method import Method

METHODS: dict[str, Callable[..., Method]] = {
    **{"pyramid": pyramid, "cool_chic": cool_chic, "c3": c3, "eqlinr": eqlinr},
    **{"siren": siren, "coin": coin},
}
