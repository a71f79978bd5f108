"""`pyramid`: latent grids, learned upsampling, convolutional synthesis and a context model, all small; our flagship.

        hyper-latents --+                        (6 x 1/64 ... feed the context model alone)
                        v
    latents 1/64 --> context --> range coder     each latent: Laplace(centre, scale) from neighbours and coarser grids
        :               ^
    latents 1/1  -------+
        |   (1/4, 1/8: a pair for colour, too; on 1/2 and 1/4 features are mixed of the stack, if the file is large)
        +--> filter, x2 --> filter, x2 ... --> features (levels, H, W) --+--> 1x1 network --> 3x3 residuals --+--> pixels
                                                                         +----------------- linear -----------+

After COOL-CHIC (Ladune et al. 2023), C3 (Kim et al. 2024) and Cool-chic 5.0 (Ladune et al. 2026); with integer
probability tables, a straight-through clamp, and a size chosen per picture by what the networks cost.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from string import digits

from torch import Tensor

from ...runtime.grids import PAIR
from ...runtime.orders import NEIGHBOURS_MAX, ORDERS
from ...runtime.profile import Manifest
from ...runtime.syntax import Signal
from ..grids import Design, Grids
from ..losses import seen
from ..method import Graph, Method, Paper, Phase, Recipe, Tensors
from ..parts.context import Context
from ..parts.mixing import FEATURES, mixing
from ..parts.synthesis import beside
from ..parts.upsampling import learned
from ..rates import laplace_bits_of_each

HYPER = 3  # the coarsest levels have hyper-latents too
LEVELS = (7, 8, 9)
STEPS = {"context": 2**-4, "inter": 2**-3, "upsampling": 2**-8, "mixing": 2**-4, "synthesis": 2**-6}  # near a file's
RATED = 2e-3  # lambda above which networks are so much of a file that their rate in the loss pays
JITTER = 0.15  # of a step: with their rate in the loss, weights shrink in one layer, and grow in the next, without noise
CHROMA = (2, 3)  # levels with a pair of grids for colour
MIXED = (1, 2)  # levels whose stack is mixed, where there are grids for colour
WIDE, RICH = 2**17, 0.16  # pixels, and bits for each, from which a picture in colour has them, in raster order
LARGE, HUGE = 2**20, 3 * 2**20  # pixels from which a picture gets an eighth and a ninth level


@dataclass(frozen=True)
class Size:
    """What the context's networks see, their width, the synthesis's hidden channels, and those of `mixing`, if any."""

    neighbours: int
    features: int
    hidden: int
    width: int = 0  # in raster order as wide as what they see
    mixing: int = 0


Sizes = tuple[tuple[float, Size], ...]
# Sizes by the bytes of the file, up to which each is the best bargain: they cost about 0.4, 0.7, 1.2 and 1.4 kB themselves.
SIZES = ((2_500, Size(6, 2, 8)), (12_000, Size(10, 4, 16)), (25_000, Size(14, 6, 32)), (float("inf"), Size(14, 6, 48)))
# The same where there are grids for colour: mixed features cost another 0.4 kB.
RICH_SIZES = ((7_000, Size(10, 4, 16)), (25_000, Size(14, 6, 32, mixing=8)), (float("inf"), Size(14, 6, 48, mixing=8)))
# The same for long fits, which have the time to make use of larger ones.
LONG_SIZES = (*RICH_SIZES[:-1], (30_000, RICH_SIZES[-1][1]), (float("inf"), Size(20, 8, 64, mixing=12)))
# The same for fast decoding, in parallel order: four networks cost four times as much.
FAST_SIZES = ((20_000, Size(4, 4, 8, 4)), (float("inf"), Size(10, 4, 16, 10)))


def levels_of(signal: Signal) -> int:
    pixels = signal.height * signal.width
    return LEVELS[(pixels > LARGE) + (pixels > HUGE)]


@cache
def design(levels: int, order: str = "raster", chroma: tuple[int, ...] = (), mixed: tuple[int, ...] = ()) -> Design:
    """With so many levels, perhaps grids for colour and `mixed` levels; in raster order the context network is as wide as
    what it sees."""
    width, sizes = ("neighbours+features", ()) if order == "raster" else ("width", (("width", 64),))
    stacks = [1 + PAIR * (level in chroma) for level in range(levels)]
    colour = tuple(sum(stacks[:level]) + k for level in chroma for k in range(1, 1 + PAIR))
    grids = [sum(stacks[level:]) for level in range(levels)]  # of a level and all coarser ones
    kind = "_mixed" if mixed else "_chroma" if chroma else ""
    return Design(
        f"pyramid{levels}" + (f"_{order}" if order != "raster" else "") + kind,
        levels,
        Context("neighbours", width, "features", HYPER, order, linear=True),
        learned(levels, bool(chroma), mixing(mixed, grids, "mixing") if mixed else None),
        beside(grids[0] + FEATURES * len(mixed), "hidden", colour, FEATURES * len(mixed)),
        (("neighbours", NEIGHBOURS_MAX), ("features", 16), ("hidden", 256), *sizes, *((("mixing", 32),) if mixed else ())),
        method="pyramid",
        chroma=chroma,
        mixed=mixed,
    )


def architecture(signal: Signal, size: Size, order: str = "raster", levels: int = 0, chroma: tuple[int, ...] = ()) -> Grids:
    """Of as many `levels` as the signal has room for, if they are not said."""
    parts = design(levels or levels_of(signal), order, chroma, MIXED if size.mixing else ())
    return Grids(signal, parts, {name: vars(size)[name] for name, _ in parts.sizes})


def profiles() -> Iterator[tuple[Manifest, tuple[Graph, ...]]]:
    for levels in LEVELS:
        for order in ORDERS:
            yield from design(levels, order).profiles()
        for mixed in ((), MIXED):
            yield from design(levels, chroma=CHROMA, mixed=mixed).profiles()


def networks_bits(tensors: Tensors) -> Tensor:
    """What writing them takes, each under a Laplace fitted to itself."""
    return laplace_bits_of_each([*tensors.values()], [step_of(name) for name in tensors])


def step_of(name: str) -> float:
    """Of a tensor, as a file's is likely to be."""
    return STEPS[name.partition(".")[0].rstrip(digits)]


def recipe(lmbda: float) -> Recipe:
    """Temperatures, noise and gains of Cool-chic 5.0; shares, moments and the networks' rate in the loss are ours."""
    bits, wide = (networks_bits, JITTER) if lmbda > RATED else (None, 0.0)
    return Recipe(
        (
            Phase("start", 0.05, (1e-2, 1e-2), temperature=(0.35, 0.35), noise=(0.22, 0.22), bits=bits),
            Phase(
                "fit",
                0.85,
                (1e-2, 0.0),
                temperature=(0.35, 0.08),
                noise=(0.22, 0.15),
                jitter=(0.0, wide),
                fresh=True,
                bits=bits,
            ),
            Phase("networks", 0.1, (1e-3, 0.0), jitter=(wide, wide), hard=True, bits=bits),
        ),
        candidates=3,
        warmup=0.03,
        betas=(0.8, 0.98),
        gain=16.0 if lmbda > 5e-4 else 20.0 if lmbda > 2e-4 else 24.0,
        step_of=step_of,
    )


def choose_size(nbytes: float, sizes: Sizes = SIZES) -> Size:
    """Larger networks for larger files: they pay in latents."""
    return next(size for most, size in sizes if nbytes < most)


def pyramid(tune: str | None = None) -> Method:
    """`tune` "fastdecode" trades bytes for a decoder that is twice as fast: parallel order, and smaller networks;
    "perceptual" trades PSNR for what eyes see."""
    order, sizes = ("parallel", FAST_SIZES) if tune == "fastdecode" else ("raster", SIZES)

    def build(signal: Signal, nbytes: float, rich_sizes: Sizes = RICH_SIZES) -> Grids:
        rich = signal.channels > 2 and signal.pixels >= WIDE and 8 * nbytes / signal.pixels >= RICH and order == "raster"
        size = choose_size(nbytes, rich_sizes if rich else sizes)
        return architecture(signal, size, order, chroma=CHROMA if rich else ())

    def build_long(signal: Signal, nbytes: float) -> tuple[Grids, ...]:
        """Where there are no grids for colour, also the largest: with their rate in the loss, and noise, they cost but 0.3
        to 0.5 kB more than the second."""
        first = build(signal, nbytes, LONG_SIZES)
        largest = architecture(signal, sizes[-1][1], order)
        return (first,) if first.design.chroma or first == largest else (first, largest)

    def fitted(lmbda: float) -> Recipe:
        plain = recipe(lmbda)
        return replace(plain, distortion=seen, judge=seen) if tune == "perceptual" else plain

    paper = Paper("inrcodec pyramid", 2026, "the inrcodec authors", "after COOL-CHIC, C3 and Cool-chic 5.0")
    return Method("pyramid", "image", paper, build, fitted, profiles, ("fastdecode", "perceptual"), build_long=build_long)
