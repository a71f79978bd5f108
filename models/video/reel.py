"""`reel`: a first frame of latent grids, and all others predicted along flow from frames before and after; for rate and
distortion.
"""

from ...runtime.orders import NEIGHBOURS_MAX
from ...runtime.profile import Motion
from ...runtime.syntax import Signal
from ..grids import Design
from ..method import Method, Paper, Phase, Recipe
from ..parts.context import Context
from ..parts.synthesis import beside
from ..parts.upsampling import learned
from ..predicted import Frames, Sequence

LEVELS = 7
MOTION = Motion(added=1, flow=3, period=16)
FIRST = Design(
    f"reel{LEVELS}",
    LEVELS,
    Context("neighbours", "neighbours+features", "features", 3, linear=True),
    learned(LEVELS),
    beside(LEVELS, "hidden"),
    (("neighbours", NEIGHBOURS_MAX), ("features", 16), ("hidden", 256)),
    method="reel",
)
DESIGN = Sequence(
    FIRST,
    MOTION,
    Context("neighbours", "neighbours+features", "features", linear=True),
    Context(6, 6, linear=True),
    "hidden",
)


def build(signal: Signal, nbytes: float) -> Frames:
    return Frames(signal, DESIGN, {"neighbours": 10, "features": 4, "hidden": 16})


def recipe(lmbda: float) -> Recipe:
    return Recipe(
        (
            Phase("first", 0.3, (1e-2, 1e-2), temperature=(0.35, 0.35), noise=(0.22, 0.22), frames=(0,)),
            Phase("fit", 0.6, (1e-2, 0.0), temperature=(0.35, 0.08), noise=(0.22, 0.15)),
            Phase("networks", 0.1, (1e-3, 0.0), hard=True),
        ),
        batch=0,
    )


def reel() -> Method:
    paper = Paper("inrcodec reel", 2026, "the inrcodec authors", "after C3, Cool-chic video, FFNeRV and D-NeRV")
    return Method("reel", "video", paper, build, recipe, DESIGN.profiles, sets=True)
