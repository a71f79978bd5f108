"""The systems: one paper a file in `image/` and `video/`, composed of `parts/`, quantizers and rates."""

from collections.abc import Callable

from .image.c3 import c3
from .image.coin import coin
from .image.coinpp import coinpp
from .image.cool_chic import cool_chic
from .image.eqlinr import eqlinr
from .image.fourier import fourier
from .image.hash_grid import hash_grid
from .image.l0onie import l0onie
from .image.nif import nif
from .image.pham import pham
from .image.pyramid import pyramid
from .image.rqat_inr import rqat_inr
from .image.sanjeet import sanjeet
from .image.sinco import sinco
from .image.siren import siren
from .image.strumpler import strumpler
from .method import Method
from .video.boosting_nerv import boosting_nerv
from .video.d_nerv import d_nerv
from .video.diff_nerv import diff_nerv
from .video.e_nerv import e_nerv
from .video.ffnerv import ffnerv
from .video.gomes import gomes
from .video.hinerv import hinerv
from .video.hnerv import hnerv
from .video.nerv import nerv
from .video.nirvana import nirvana
from .video.nrff import nrff
from .video.nvrc import nvrc
from .video.player import player
from .video.ps_nerv import ps_nerv
from .video.reel import reel
from .video.t_nerv import t_nerv
from .video.vq_nerv import vq_nerv

METHODS: dict[str, Callable[..., Method]] = {
    **{"pyramid": pyramid, "cool_chic": cool_chic, "c3": c3, "eqlinr": eqlinr},
    **{"siren": siren, "sinco": sinco, "hash_grid": hash_grid, "fourier": fourier},
    **{"coinpp": coinpp, "pham": pham, "sanjeet": sanjeet},
    **{"coin": coin, "strumpler": strumpler, "l0onie": l0onie, "rqat_inr": rqat_inr, "nif": nif},
    **{"nerv": nerv, "hnerv": hnerv, "ffnerv": ffnerv, "hinerv": hinerv, "gomes": gomes, "nvrc": nvrc},
    **{"e_nerv": e_nerv, "ps_nerv": ps_nerv, "boosting_nerv": boosting_nerv, "diff_nerv": diff_nerv},
    **{
        "vq_nerv": vq_nerv,
        "t_nerv": t_nerv,
        "nrff": nrff,
        "d_nerv": d_nerv,
        "nirvana": nirvana,
        "player": player,
        "reel": reel,
    },
}
