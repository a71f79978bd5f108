"""Golden files decode for ever: to equal latents, and to pixels within one level. Never make them anew."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime import segment
from inrcodec.runtime.native import NativeDecoder, library
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder

VECTORS = Path(__file__).parents[1] / "vectors"
# Of all symbols: network tensors by name, then latents in coding order, as little-endian int32.
SYMBOLS = {
    "scene_rgb8": "514e78e5e640f919c6160d954706c2fbfb30319dca606d064bfd4a272a4f98f5",
    "scene_grey16": "6da361679e75090c2877a01c0640f47697eb60241a5dba9f9741de65b0a5b2b6",
    "scene_rgba8": "f8bed66a6d52cae734d61c7e5777e880b2b14903d9edcecdf3966dd9d5ab04b5",
}


def symbols_digest(file: inrcodec.InrFile) -> str:
    found = file.segment()
    tensors = {name: symbols for group in found.groups.values() for name, symbols in group.symbols.items()}
    arrays = [tensors[name] for name in sorted(tensors)] + found.grids
    return hashlib.sha256(b"".join(array.astype("<i4").tobytes() for array in arrays)).hexdigest()


@pytest.mark.parametrize("decoder", [NativeDecoder, Decoder, PureDecoder])
@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("name", SYMBOLS)
def test_vectors_decode_to_what_they_always_did(name, threads, decoder, monkeypatch):
    if decoder is NativeDecoder and not library():
        pytest.skip("the kernel was not built: no compiler")
    monkeypatch.setattr(segment, "decoder", decoder)
    file = inrcodec.open(VECTORS / f"{name}.inr", threads)
    assert symbols_digest(file) == SYMBOLS[name]
    wanted = np.load(VECTORS / f"{name}.npy").astype(int)
    tolerance = 1 if file.header.signal.bit_depth == 8 else 16
    assert np.abs(file[0].astype(int) - wanted).max() <= tolerance
