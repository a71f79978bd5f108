"""The systems: one paper a file in `image/` and `video/`, composed of `parts/`, quantizers and rates."""

from collections.abc import Callable

from .image.coin import coin
from .image.pyramid import pyramid
from .image.siren import siren
from .method import Method

METHODS: dict[str, Callable[..., Method]] = {"pyramid": pyramid, "siren": siren, "coin": coin}
