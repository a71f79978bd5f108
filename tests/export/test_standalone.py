"""What `inrc export` writes gives the decoder's picture to a program that knows ONNX Runtime and JSON alone."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import inrcodec
from inrcodec.export import standalone as module
from inrcodec.export.standalone import StandaloneError, export_tensors, standalone, unpacked
from inrcodec.train.cli import main
from inrcodec.train.encode import encode_picture
from inrcodec.train.pictures import as_set, from_array

KINDS = {"rgb": (3, np.uint8), "grey": (1, np.uint8), "deep rgba": (4, np.uint16)}


@pytest.fixture(scope="module", params=KINDS)
def data(request):
    channels, dtype = KINDS[request.param]
    y, x = np.mgrid[:31, :48]
    waves = [0.5 + 0.2 * np.sin(y / period) + 0.2 * np.cos(x / (period + 3)) for period in (2, 3, 5, 7)[:channels]]
    pixels = (np.stack(waves, axis=2) * np.iinfo(dtype).max).astype(dtype)
    return encode_picture(from_array(pixels), iterations=8, threads=1).data


def assert_same_picture(got, file):
    wanted = file[0]
    assert got.dtype == wanted.dtype and got.shape == (*wanted.shape[:2], file.header.signal.channels)
    off = np.abs(got.reshape(wanted.shape).astype(int) - wanted)
    levels, share = (1, 1e-4) if wanted.dtype == np.uint8 else (16, 1)  # of 16 bits float32's last ones differ
    assert off.max() <= levels and np.mean(off > 0) <= share


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def test_standalone_decodes_itself(data):
    file = inrcodec.open(data)
    ready = session(standalone(file))
    assert [node.name for node in ready.get_outputs()] == ["pixels"] and not ready.get_inputs()
    assert_same_picture(ready.run(None, {})[0], file)


def test_unpacked_decodes_by_its_manifest(data):
    file = inrcodec.open(data)
    files = unpacked(file)
    manifest = json.loads(files["manifest.json"])
    tensors = {}
    for name, facts in manifest["tensors"].items():
        assert (facts["dtype"], facts["byte_order"]) == ("float32", "little")
        tensors[name] = np.frombuffer(files[facts["file"]], "<f4").reshape(facts["shape"])
    for run in manifest["runs"]:
        inputs = {name: tensors[source] for name, source in run["inputs"].items()}
        tensors[run["output"]] = session(files[run["graph"]]).run(None, inputs)[0]
    facts = manifest["pixels"]
    samples = np.rint(np.clip(tensors[facts["from"]] * np.float32(facts["scale"]), *facts["clip"]))[0]
    assert_same_picture(samples.transpose(1, 2, 0).astype(facts["dtype"]), file)
    signal = manifest["signal"]
    assert (signal["height"], signal["width"], signal["channels"]) == samples.shape[1:] + samples.shape[:1]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "siren_rgb8",
            "coin_rgba8_thirteen",
            "fast_rgb8",
            "mixed_rgb8_odd",
            "cool_chic_grey16_odd",
            "c3_rgb8",
            "eqlinr_rgb8",
        ),
        *("nerv_clip", "hnerv_clip", "hinerv_clip", "ffnerv_clip"),  # whose graphs make more rows and columns than there are
    ],
)
def test_standalone_of_other_methods(name):
    file = inrcodec.open(Path(__file__).parents[1] / "vectors" / f"{name}.inr")
    assert_same_picture(session(standalone(file)).run(None, {})[0], file)
    assert json.loads(unpacked(file)["manifest.json"])["pixels"]["cut"] == list(file[0].shape[:2])


def test_of_bytes_of_squares():
    """`player`'s frames, each alone."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 21, 35, 3), np.uint8)
    file = inrcodec.open(encode_picture(as_set([from_array(frame) for frame in pixels]), method="player", iterations=4).data)
    for frame in (2, 0):
        np.testing.assert_array_equal(session(standalone(file, frame)).run(None, {})[0], file[frame])
    files = unpacked(file, 1)
    facts, (run,) = (json.loads(files["manifest.json"])[name] for name in ("pixels", "runs"))
    tensors = json.loads(files["manifest.json"])["tensors"]
    read = lambda name: np.frombuffer(files[f"{name}.bin"], "<f4").reshape(tensors[name]["shape"])  # noqa: E731
    squares = session(files[run["graph"]]).run(None, {name: read(name) for name in run["inputs"]})[0][0]
    levels = np.floor(np.einsum("ok,khw->ohw", facts["matrix"], squares) + np.array(facts["offset"])[:, None, None])
    colours = levels.clip(*facts["clip"]).reshape(3, 2, 2, *squares.shape[1:]).transpose(3, 1, 4, 2, 0)
    whole = colours.reshape(2 * squares.shape[1], -1, 3)[:21, :35]
    np.testing.assert_array_equal(whole.astype(facts["dtype"]), file[1])


def test_latents_stay_small(data):
    tensors, file = export_tensors(inrcodec.open(data)), inrcodec.open(data)
    latents = sum(t.size for name, t in tensors.items() if name.startswith("latents."))
    others = sum(t.nbytes for name, t in tensors.items() if not name.startswith("latents."))
    upsampling, synthesis = map(len, file.profile.graphs)
    most = 8 * upsampling + synthesis + others + latents
    assert len(standalone(file)) < most  # a byte each; six or eight steps of upsampling


def test_wide_latents_are_exact(data, monkeypatch):
    """Symbols beyond 16 bits travel too."""
    file = inrcodec.open(data)
    segment = file.segment()
    segment.grids[-1][:3, 0] = 127, -129, 40_000
    monkeypatch.setattr(file, "segment", lambda k=0, frame=0: segment)
    assert_same_picture(session(standalone(file)).run(None, {})[0], file)


def test_a_picture_too_large_is_refused(data, monkeypatch):
    monkeypatch.setattr(module, "MODEL_MAX", 1000)
    with pytest.raises(StandaloneError, match=r"wanted a model of at most 1000 bytes, got \d+"):
        standalone(inrcodec.open(data))


def test_command(data, tmp_path, capsys):
    (tmp_path / "wave.inr").write_bytes(data)
    folder = tmp_path / "a" / "b"
    assert main(["export", str(tmp_path / "wave.inr"), "-o", str(folder)]) == 0
    files = unpacked(inrcodec.open(data))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
    assert main(["export", str(tmp_path / "wave.inr"), "-o", str(folder), "--standalone"]) == 0
    assert (folder / "wave.onnx").read_bytes() == standalone(inrcodec.open(data))
    assert "1 file, " in capsys.readouterr().out


def test_command_refuses(tmp_path, capsys, monkeypatch):
    (tmp_path / "broken.inr").write_bytes(b"INR")
    assert main(["export", str(tmp_path / "broken.inr"), "-o", str(tmp_path / "out")]) == 1
    assert main(["export", str(tmp_path / "none.inr"), "-o", str(tmp_path / "out")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2 and not (tmp_path / "out").exists()


def test_no_file_lands_outside_the_folder(data, tmp_path, capsys, monkeypatch):
    """A file's own graph chooses its tensors' names."""
    monkeypatch.setattr(module, "unpacked", lambda file, frame: {"../evil.bin": b""})
    (tmp_path / "wave.inr").write_bytes(data)
    assert main(["export", str(tmp_path / "wave.inr"), "-o", str(tmp_path / "out")]) == 1
    assert "'../evil.bin'" in capsys.readouterr().err and not (tmp_path / "evil.bin").exists()
