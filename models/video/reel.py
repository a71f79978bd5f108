"""`reel`: a first frame of latent grids, all others predicted from frames before and after; fitted for rate and distortion.

    first frame:  latents 1/1 ... 1/64 --> upsampling --> synthesis                 as `pyramid` has it
    each other:   flow 1/16 ... 1/64 --> two frames, moved along it and mixed --+
                  latents 1/2 ... 1/64 --> upsampling --> synthesis -----------+--> frame

Frames form a hierarchy of halved gaps, so that none is far from what it is predicted from. All latents are coded by context
models, one for each kind; networks are small and serve all frames. After C3 (Kim et al. 2024) and Cool-chic video (Leguay et
al. 2024); flow and mixing as FFNeRV (Lee et al. 2023), from a first guess by block matching.
"""

from ...runtime.orders import NEIGHBOURS_MAX
from ...runtime.profile import Motion
from ...runtime.syntax import Signal
from ..grids import Design
from ..image.pyramid import HYPER, Size, choose_size
from ..method import Method, Paper, Phase, Recipe
from ..parts.context import Context
from ..parts.synthesis import beside
from ..parts.upsampling import learned
from ..predicted import Frames, Sequence

LEVELS = 7
SIZES = ((60_000, Size(6, 2, 8)), (float("inf"), Size(10, 4, 16)))  # by bytes of the file
FIRST = Design(
    f"reel{LEVELS}",
    LEVELS,
    Context("neighbours", "neighbours+features", "features", HYPER, linear=True),
    learned(LEVELS),
    beside(LEVELS, "hidden"),
    (("neighbours", NEIGHBOURS_MAX), ("features", 16), ("hidden", 256)),
    method="reel",
)
DESIGN = Sequence(
    FIRST,
    Motion(added=1, flow=4, period=16),
    Context("neighbours", "neighbours+features", "features", linear=True),
    Context(6, 6, linear=True),
    "hidden",
)


def build(signal: Signal, nbytes: float) -> Frames:
    size = vars(choose_size(nbytes, SIZES))
    return Frames(signal, DESIGN, {name: size[name] for name, _ in FIRST.sizes})


def recipe(lmbda: float) -> Recipe:
    """The first frame alone, at a tenth of the price, for all others depend on it; then all. Eight frames a step."""
    temperature, noise = 0.35, 0.22
    return Recipe(
        (
            Phase("first", 0.3, (1e-2, 1e-2), (temperature, temperature), (noise, noise), frames=(0,), price=0.1),
            Phase("fit", 0.6, (1e-2, 0.0), (temperature, 0.08), (noise, 0.15)),
            Phase("networks", 0.1, (1e-3, 0.0), hard=True),
        ),
        batch=8,
        betas=(0.8, 0.95),
    )


def reel() -> Method:
    paper = Paper("inrcodec reel", 2026, "the inrcodec authors", "after C3, Cool-chic video and FFNeRV")
    return Method("reel", "video", paper, build, recipe, DESIGN.profiles, sets=True)
