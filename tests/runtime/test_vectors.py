"""Golden files decode for ever: to equal latents, and to pixels within one level. Never make them anew."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import inrcodec
from inrcodec.runtime import profile, segment
from inrcodec.runtime.native import NativeDecoder, library
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder

VECTORS = Path(__file__).parents[1] / "vectors"
# Of all symbols, segment by segment: network tensors by name, then latents in coding order, as little-endian int32; of
# `player`, whose frames travel alone, each segment's first frame.
SYMBOLS = {
    "fast_grey16_strip": "480d22323ec0627e1c0b1fe8783288078ad61cb94e959b1f516e6da60d86c3c9",
    "fast_grey8_eight_levels": "1d590a71ef2c44f70e5a1b92bae8fc7678d96fe806685644633b073b3da6e2c8",
    "fast_grey8_nine_levels": "4d176f9b4230eef4bfd7f8b40d54bb5e198e9490908a8b5d04cdbcc4b722af8e",
    "fast_rgb16_pixel": "04e91dcd710efe847f37c952f1951d1c5c364fca74042369a0c9373584a0f553",
    "fast_rgb8": "f0c8c58ee270bdae10860b86c68ab49599f6f05fb52da8c54649dc26bc5dc20f",
    "fast_rgb8_high_rate": "9b066eb89a3883d30d5a65b660ecac290a3f30bd5da50b359dd540285ad6a1fe",
    "fast_rgba8": "5ced7131ff9029212979692a47986c68faa698a9a6bcc7bf9117a22d2c4c8aae",
    "grey16": "86eee6e117fc79252087260d86485ffc237fed4fa0183ef80991aa150c137ca3",
    "grey8_nine_levels": "89175710540fc296b9df04dec1c83c7186f474f98bb12a9c3a7c91f1cb908af2",
    "grey8_odd": "613e11a335b6d9cbb3332ca7a9c2c39a7e42aa9dbfb07c71c0457bb3551786e6",
    "grey_alpha8": "d611ba29fc9d6a576dcf429824ad7d0fed30bf5ec8e62844b46f1ccba81f4868",
    "rgb16_strip": "14a8eaeecbf671b9c6df77b2327e01994c4bc97cfb4646b2a729ee2bb71d6323",
    "rgb8": "c3a4be986f4ea0171a33ffedb959e6f6bc87f68e85401a6d912b9053579a9492",
    "rgb8_eight_levels": "e73635f48f325ed8bed82c56db313ad3c2fa8721ba0c89dcf57ec22b6548e2ed",
    "rgb8_high_rate": "43e4736aa467738b01f6138a8d410d94683849b81cdf41c9db9d71846fc02939",
    "rgba16_pixel": "2fe3fa5870f0f2da2a825838ca5236cd3f8f73d8a2bfff4b2bfa211409c2a4dd",
    "rgba8_metadata": "38c3f889814d2c66f33787e620d2fbe6933ef9747c36471323eacee0fa139540",
    "coin_grey16_ten": "edf9494a23a5f2f0465d4bfcaf2f56f65189886c1d611f9d80cb275390da811a",
    "coin_rgb8_five": "4c6867238cca509b2a50e27fe24bc199ea3a4dfdaef042bf95f538d5fa1e7ab2",
    "coin_rgba8_thirteen": "9e5f02b89c201ae501597c8eaf67ccf0c83624cd7557c9616031f17c36e0b90f",
    "c3_rgb8": "a7da5b912372bccb1979fe9603dccc0180fc6964283ad2fd8040c131e5ccea79",
    "c3_rgba8_strip": "594de7b49b9d2844c92588864c7d52418e0d319000a7eb002a489344f6cc34bd",
    "cool_chic_grey16_odd": "ac1453a6b0458ad8b16af0300cd2eec31a60200ad3a5936690c38033fa4fc2d7",
    "cool_chic_rgb8": "5a4e5e251a705138a39e59ee074299840757b592392d41e4d7bf4f3c99a8c063",
    "eqlinr_grey_alpha8_odd": "f60293bc0d71c2c4acff7a3b778bc801ef3c7d9bb4aefca1dfdc3d37fc968352",
    "eqlinr_rgb8": "80bb6611db4d14c2a49fc2e793c6b85056d50505e0c89e1762f01a4de001a5b5",
    "siren_rgb8": "466d9f9cf7c5c419f313f34395c72261d9c9ed2e910f6ac9ad65d42e1035b597",
    "coinpp_rgb8_odd": "0041d5ca391c67e3bc208d69fc740f60bb0a470aed1a25c23bb33165ca6268cc",
    "coinpp_rgb8_set": "72433586c84c403e0fd9c39175c7e8e676ac6787daa5968fa4e4cce7f249704d",
    "sanjeet_rgb8_set": "469401eaf4acd3371bbf8c72b66a47b45aec5b2b32a2e94ec9d8a62fd9bb4f8c",
    "fourier_rgb8": "b120f253af7c4378cc76d11ee77561d673b1e8f0e1757f362b1e5e5ec0e32f9f",
    "hash_grid_rgb8": "9d935045f6ccaff4fac8ccdb0695fc89c2ce63b62eba27cd61b1fae1e0203dbe",
    "l0onie_grey8": "b0c9b33c4f6d26c552e9f0f6f458cd70a913ff9e810c1f7b897ea164966b1b46",
    "nif_rgba8": "abed564c58152b42e5abd0584aaa0ce85630960bac28df67666cf33d04ba6ac4",
    "pham_rgb16_odd": "b4ff8df624cd322d440d8230319d11b0f110d2ff065ca3d535ded33ce7bd5c00",
    "rqat_inr_rgb8_odd": "9a7386f0718b43a6a3608b016eceba360bb93a9254fffe94b4a417a1dfacdc08",
    "sinco_rgb8": "691c97fbd1ad012c2c82331214bf8d6d7396ae99e731cebd6eecd492063b0e82",
    "strumpler_meta_rgb16_wide": "33d5e0bd0db510c1897beee239cf0f54966182a48797d7fc7338062969ac8091",
    "strumpler_meta_rgb8_narrow": "a9c6c31cd582328eb304686c5b613fe8046acf37e3e4a57da6d1c228fd95f8a5",
    "strumpler_rgb8": "1f892b57c1ca0524ce9160a80f42e25e2e5048da6c367d1f8515b68dfbda880f",
    "boosting_nerv_clip": "98529035aa1d37971275cee7741a800938375e14f5b1d8b03d8364a5f42e2089",
    "boosting_nerv_large_clip": "2016887916ae82494fa83a80c34e704f586eb9a1904dda7ea8dcd5b992c77d03",
    "d_nerv_clip": "fac14cec2f919e99f918a5e3782eb2c30b428df6863c44239929501e1869b1a8",
    "d_nerv_large_clip": "7c2b0b73e0bf818c48f2ffa96a3594e1f3cc73df7b0f81c22e6359cbda748f94",
    "diff_nerv_clip": "a5422f4894d8de7104cdbe990296e3498e5e1c96997a9acd88ea2110a2f0f18a",
    "diff_nerv_large_clip": "2f150fc4bde5a3f755c09ecd26b711bf9baa3393d41ed55740f81214d4391761",
    "e_nerv_clip": "fae85d0c009a30bed5895035c619ecd65ebc0726f7c03f6d19deb72e17a808d8",
    "e_nerv_large_clip": "61ce53d39a08295a415fd476e402e7fdf59ebcf83d2dca691b62a97e47f3e04a",
    "ffnerv_clip": "7d4c291756a3c6270fac4c518a17843dcee487944c79f5f31780022dce23e227",
    "ffnerv_large_clip": "506c0e5437f971d6583df30a5885d23d2b5319c3ee4b18096f384413cd6eb7e7",
    "gomes_clip": "528e592b3cb98ffa9c73b72b736c8e67f5ce672a27f23a271eff47bcdf26e7fa",
    "gomes_large_clip": "bb5b3ed1ed0fbd5e0f0a4814a0b1275a68ac4720ce28c2515df0be3df3cd33e5",
    "hinerv_clip": "00616419576ae232fb3e44834ce227c3a2259d709e96572b2ea9cef3595b6eb4",
    "hinerv_large_clip": "8e63699a8e2029987c70687479e09bdf3acfdecaf5de105bdaa3dc9077635c8d",
    "hnerv_clip": "44e8f816344a3227922ebe3e730e9994704497fe0cf83ae531a996e95e510e5f",
    "hnerv_large_clip": "286d1a2dd6c0bf5d19f62ca328d375db86278e70b05fccaefda2237561db9486",
    "nerv_clip": "e1c70ced9be4b5e900207240d5883c6397ff4de744f936800e01bbb189b27c97",
    "nerv_large_clip": "6cc9e061692177121f0a2f0e39dc47d381ca25359d33c1c420cf196cb466d4d7",
    "nirvana_clip": "161fd920d8c23680c93c626400873d93d23ff15f72fcd2f7744471ed3ea5b3e2",
    "nirvana_large_clip": "d31d6ab71185ef677befdf272f096af862173aeaf21c2cc2fd0e23ff80209fe6",
    "nrff_clip": "616d09f39de11416451943b170992d748dfd03f4ad6e5ccd7e75d24583e74190",
    "nvrc_clip": "154dbf68add15a9cbf7dd36c28ef85cbb2c6808515be626ae9201dd38bd14ea1",
    "nvrc_large_clip": "fe84d8406da69b44ff4b49c46defde1f00af441fd6b21bbf10319d0d9d913200",
    "player_clip": "ba6af7fc6f6e8abe91674f6f9dfa086cdb86a5caa00d56e00831263518273802",
    "ps_nerv_clip": "cafffb472b22ba004685267e46f9744c4a3677cdbc35d9f48259765781804ff5",
    "ps_nerv_large_clip": "8e587c62874217f5e25d1730863df6019d2126508239dfbc9f0c71e22720d729",
    "reel_clip": "66ed83e03beef2397487a98de43e931898bd23b050f7f24612db078291e22f97",
    "t_nerv_clip": "c2ca045a6b34a351005ca41412e44c7a5d86dec183212b1fad872f88594fc027",
    "t_nerv_large_clip": "f7629004fa6673ec42db2358f03e25b2feadfafcb477b2639cb2826b570ac8b4",
    "vq_nerv_clip": "500e3dd70bf89cb23f1f9b4c8936437daacf085a7f102873e45b8b0d60dbafdb",
    "vq_nerv_large_clip": "560161118bdb17c6279ddaeb540f4c5f5296c4a298ba772867d50d897013c308",
    "chroma_rgb8_eight_levels": "5664220229b83cb6f458d9062b8bbd2165878467e5fee0a7c5c5c9a563bc5cdf",
    "chroma_rgb8_nine_levels": "9fcbf23c26caf1ecf1b7f02b4c3192246934edfff688427bd56da1b2d45ca207",
    "chroma_rgb8_odd": "3fc5f003b68ad89b0212d48d862464289ea861124b5213e7e0e04dd18e83a2b7",
    "chroma_rgba16_strip": "37d5c5c2a7c2519df55dee938c902fbd83643898428ba1ca4ef83b2815a4df7b",
    "mixed_rgb8_eight_levels": "1ed9adce2eb989e691fee898f45aa83c6d38409b36224f2237620f2010e463ff",
    "mixed_rgb8_nine_levels": "0aa9b3fc28e5506cf383f32c01c21d9030e66fabc823bac6a89240e8e62aeec1",
    "mixed_rgb8_odd": "04b3c558258f306e9d8fd3bd00a51b3b6e67618deb3abc9c54e8de50c00519ad",
    "mixed_rgba16": "0328059c41cbc89b8b8d29ddfaa7bbbb09b90b3e25dabfdbec4119e5552056de",
    "apart_rgb8_odd": "0d7e18520e9915ee3fd71bd51c44cc0622b26caee9a1eaf22ea8ce0264893fd1",
}


def symbols_digest(file: inrcodec.InrFile) -> str:
    arrays = []
    for found in map(file.segment, range(len(file.index))):
        tensors = {name: symbols for group in found.groups.values() for name, symbols in group.symbols.items()}
        arrays += [tensors[name] for name in sorted(tensors)] + found.grids
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
    wanted = np.load(VECTORS / f"{name}.npz")["pixels"].astype(int)
    off = np.abs(np.stack(list(file)).reshape(wanted.shape) - wanted)
    most, share = (1, 1e-4) if file.header.signal.bit_depth == 8 else (16, 1)
    assert off.max() <= most and np.mean(off > 0) <= share


@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
@pytest.mark.parametrize("name", ["rgb8", "rgba8_metadata", "grey8_odd"])
def test_optimization_of_the_graphs_does_not_matter(name, level, monkeypatch):
    monkeypatch.setattr(profile, "OPTIMIZATION", level)
    profile.session.cache_clear()
    off = np.abs(inrcodec.decode(VECTORS / f"{name}.inr", 1).astype(int) - np.load(VECTORS / f"{name}.npz")["pixels"])
    profile.session.cache_clear()
    assert off.max() <= 1 and np.mean(off > 0) <= 1e-4


def test_every_vector_is_tested():
    assert {path.stem for path in VECTORS.glob("*.inr")} == SYMBOLS.keys()
