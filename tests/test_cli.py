"""The command `inrc`: what it prints and writes, and what it says, in one line, of input that it cannot use."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from importlib.metadata import version
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from inrcodec.models import METHODS
from inrcodec.runtime.decoder import decode
from inrcodec.train.cli import main

INRC = Path(sys.executable).with_name("inrc")
QUICK = ("--iterations", "5", "--threads", "1", "--device", "cpu")
VECTORS = Path(__file__).parent / "vectors"
NO_TORCH = "import sys; sys.modules['torch'] = None; from inrcodec.train.cli import main; sys.exit(main(sys.argv[1:]))"


def waves() -> np.ndarray:
    y, x = np.mgrid[:24, :32]
    planes = [127 + 60 * np.sin(y / period) + 60 * np.cos(x / (period + 3)) for period in (3, 5, 7)]
    return np.stack(planes, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("encoded")
    Image.fromarray(waves()).save(folder / "photo.png")
    assert main(["encode", str(folder / "photo.png"), str(folder / "photo.inr"), *QUICK, "--quiet"]) == 0
    return (folder / "photo.inr").read_bytes()


@pytest.fixture(autouse=True)
def folder(encoded, tmp_path, monkeypatch) -> Path:
    """The working folder, with a picture and its file."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(waves()).save("photo.png")
    Path("photo.inr").write_bytes(encoded)
    return tmp_path


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def printed(capsys, *arguments: str) -> str:
    """On stdout, by a command that goes well."""
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments: str) -> tuple[int, str]:
    """Status and the line on stderr of a command that must not; asserts that no file has come, gone or changed."""
    before = files()
    try:
        status = main(list(arguments))
    except SystemExit as stop:  # argparse's own
        assert isinstance(stop.code, int)
        status = stop.code
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err[-1:]) == ("", 1, "\n"), err
    assert files() == before and status in (1, 2) and "Traceback" not in err
    return status, err


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, **options)


def test_encode_and_decode(capsys):
    facts = json.loads(printed(capsys, "encode", "photo.png", "again.inr", *QUICK, "--json"))
    data = Path("again.inr").read_bytes()
    assert data == Path("photo.inr").read_bytes() and facts["bytes"] == len(data)
    assert facts["bpp"] == 8 * len(data) / (24 * 32) and facts["iterations"] == 5 and math.isfinite(facts["psnr"])
    assert printed(capsys, "decode", "again.inr", "again.png") == ""
    np.testing.assert_array_equal(np.asarray(Image.open("again.png")), decode(data))
    assert set(files()) == {"photo.png", "photo.inr", "again.inr", "again.png"}


def test_encode_says_what_it_made(capsys):
    assert main(["encode", "photo.png", "again.inr", *QUICK]) == 0
    out, _ = capsys.readouterr()
    assert out.startswith(f"{Path('again.inr').stat().st_size} bytes, ") and " dB, 5 iterations, " in out


def test_a_goal_that_is_missed_is_said(capsys):
    assert main(["encode", "photo.png", "again.inr", *QUICK, "--bytes", "20", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("inrc encode: wanted bytes 20, reached ") and err.count("\n") == 1


def test_sets(capsys):
    """Of three pictures, in one file: one by one, or into a folder."""
    for k in range(3):
        Image.fromarray(np.roll(waves(), 9 * k, axis=1)).save(f"{k}.png")
    pictures = "0.png", "1.png", "2.png"
    assert main(["encode", *pictures, "-o", "set.inr", "--method", "coinpp", *QUICK, "--quiet"]) == 0
    together = decode("set.inr")
    assert main(["decode", "set.inr", "out"]) == 0 and sorted(os.listdir("out")) == ["000.png", "001.png", "002.png"]
    assert main(["decode", "set.inr", "one.png", "--frame", "1"]) == 0
    for path, k in (("out/000.png", 0), ("out/002.png", 2), ("one.png", 1)):
        np.testing.assert_array_equal(np.asarray(Image.open(path)), together[k])
    assert printed(capsys, "info", "set.inr").startswith("set.inr: 3 pictures of 32x24 rgb")
    assert json.loads(printed(capsys, "bench", "set.inr", "--json", "--runs", "1"))["total_ms"] > 0
    with Image.open("set.inr") as image:
        image.seek(2)
        assert image.n_frames == 3 and image.tell() == 2  # pyright: ignore[reportAttributeAccessIssue]
        np.testing.assert_array_equal(np.asarray(image), together[2])
    assert main(["export", "set.inr", "-o", "parts", "--standalone", "--frame", "2"]) == 0
    pixels = onnxruntime.InferenceSession("parts/set.onnx").run(None, {})[0]
    assert np.abs(np.asarray(pixels).astype(int) - together[2]).max() <= 1
    capsys.readouterr()
    for arguments, wanted in [
        (("decode", "set.inr", "x.png"), "wanted a folder for 3 pictures, or --frame K for one of them, got x.png"),
        (("decode", "set.inr", "-"), "wanted a folder for 3 pictures, or --frame K for one of them, got -"),
        (("decode", "set.inr", "x.png", "--frame", "3"), "--frame: wanted one below 3, got 3"),
        (("export", "set.inr", "-o", "x", "--frame", "3"), "--frame: wanted one below 3, got 3"),
        (
            ("encode", *pictures, "x.inr", *QUICK),
            "method pyramid: wanted one picture, got a set of 3; `inrc methods` says which take sets",
        ),
    ]:
        assert refused(capsys, *arguments) == (1, f"inrc {arguments[0]}: {wanted}\n")
    assert refused(capsys, "encode", "0.png") == (2, "inrc encode: wanted a picture and an output, got one name\n")


def test_what_is_lost_is_said(capsys):
    Image.fromarray(np.dstack([waves(), np.full((24, 32), 255, np.uint8)])).save("veil.png")
    assert main(["encode", "veil.png", "veil.inr", *QUICK, "--quiet"]) == 0
    assert capsys.readouterr().err == "inrc encode: veil.png: alpha is dropped: it is opaque everywhere\n"


def test_info(capsys, encoded):
    facts = json.loads(printed(capsys, "info", "photo.inr", "--json"))
    wanted = {"bytes": len(encoded), "bpp": 8 * len(encoded) / (24 * 32), "width": 32, "height": 24, "frames": 1}
    assert wanted.items() <= facts.items()
    assert (facts["method"], facts["profile"], facts["colour"], facts["bit_depth"]) == ("pyramid", "pyramid7", "rgb", 8)
    assert sum(facts["sections"].values()) == len(encoded) and facts["macs_per_pixel"] > 0
    text = printed(capsys, "info", "photo.inr")
    assert "32x24 rgb" in text and f"{len(encoded)} bytes" in text and "method pyramid" in text


def test_pipes(encoded):
    """- is standard input, or a PNG on standard output."""
    piped = subprocess.run([INRC, "decode", "-", "-"], input=encoded, capture_output=True)
    assert piped.returncode == 0 and piped.stdout.startswith(b"\x89PNG") and not Path("-").exists()
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(piped.stdout))), decode(encoded))
    told = subprocess.run([INRC, "info", "-"], input=encoded, capture_output=True)
    assert f"-: 32x24 rgb, 8 bits a sample\n  {len(encoded)} bytes".encode() in told.stdout
    refused = subprocess.run([INRC, "decode", "-", "-"], input=encoded[:-1], capture_output=True)
    assert refused.returncode == 1 and refused.stdout == b"" and refused.stderr.startswith(b"inrc decode: ")
    grey = (VECTORS / "coin_grey16_ten.inr").read_bytes()
    piped = subprocess.run([INRC, "decode", "-", "-"], input=grey, capture_output=True)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(piped.stdout))), decode(grey))


@pytest.mark.parametrize("name", ["coin_grey16_ten", "cool_chic_rgb8", "c3_rgb8", "siren_rgb8", "strumpler_meta_rgb8_narrow"])
def test_info_names_the_method(name, capsys):
    facts = json.loads(printed(capsys, "info", str(VECTORS / f"{name}.inr"), "--json"))
    assert facts["method"] in METHODS and name.startswith(f"{facts['method']}_")


def test_bench(capsys):
    facts = json.loads(printed(capsys, "bench", "photo.inr", "--json", "--runs", "1"))
    rows = [facts, facts.pop("all_threads")][: os.cpu_count()]
    assert [row["threads"] for row in rows] == sorted({1, os.cpu_count() or 1})
    stages = ("parse_ms", "entropy_ms", "synthesis_ms", "pixels_ms")
    for row in rows:
        counts = "total_ms", "megapixels_per_second", "macs_per_pixel", "peak_memory_mib"
        assert row.keys() == {"threads", *stages, *counts}
        assert 0 < sum(row[stage] for stage in stages) <= row["total_ms"] * 1.001 and row["megapixels_per_second"] > 0
        assert 100 < row["macs_per_pixel"] < 5_000 and (row["peak_memory_mib"] or 20) > 10
    assert printed(capsys, "bench", "photo.inr", "--runs", "1").startswith("1 thread: ms: parse ")


def test_methods(capsys):
    rows = json.loads(printed(capsys, "methods", "--json"))
    assert all(row["kind"] in ("image", "video") and row["title"] and row["year"] >= 2020 for row in rows)
    text = printed(capsys, "methods")
    assert [line.split()[0] for line in text.splitlines()] == [row["name"] for row in rows] and "pyramid" in text


def test_export(capsys):
    assert printed(capsys, "export", "photo.inr", "-o", "parts").startswith("parts: ")
    manifest = json.loads(Path("parts/manifest.json").read_text())
    assert {run["graph"] for run in manifest["runs"]} <= {path.name for path in Path("parts").iterdir()}
    assert printed(capsys, "export", "photo.inr", "-o", "whole", "--standalone").startswith("whole: 1 file, ")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    pixels = onnxruntime.InferenceSession("whole/photo.onnx", options).run(None, {})[0]
    assert np.abs(np.asarray(pixels).astype(int) - decode("photo.inr")).max() <= 1


def test_the_installed_command():
    assert run(INRC, "--version").stdout == f"inrc {version('inrcodec')}\n"
    done = run(INRC, "decode", "photo.inr", "again.ppm")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = run(INRC, "info", "photo.png")
    assert done.returncode == 1 and done.stderr.startswith("inrc info: not an .inr file: wanted b'INR' at its start, got")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (None, "got: No such file"),
        (b"", "wanted 1 to"),
        (b"not a picture", "got a file that none of them can open"),
        (waves().tobytes(), "got a file that none of them can open"),
        ("truncated", "wanted a whole picture"),
        ("damaged", "wanted a whole picture"),
        ("a folder", "wanted a picture file, got a directory"),
    ],
)
def test_pictures_that_cannot_be_read(content, wanted, capsys):
    data = Path("photo.png").read_bytes()
    if content == "a folder":
        Path("odd.png").mkdir()
    elif content is not None:
        odd = {"truncated": data[: len(data) // 2], "damaged": data[:60] + b"?" + data[61:]}
        Path("odd.png").write_bytes(content if isinstance(content, bytes) else odd[content])
    status, line = refused(capsys, "encode", "odd.png", "odd.inr", *QUICK)
    assert status == 1 and line.startswith("inrc encode: odd.png: ") and wanted in line


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (lambda data: data[:-1], "wanted checksum"),
        (lambda data: data[:6], "truncated: wanted"),
        (lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:], "wanted checksum"),
        (lambda data: b"", "truncated: wanted"),
        (lambda data: b"INR\x02" + data[4:], "wanted version 1, got 2"),
        (lambda data: b"\x89PNG" + data[4:], "not an .inr file: wanted"),
    ],
)
@pytest.mark.parametrize(
    "command", [("decode", "odd.png"), ("info",), ("bench",), ("export", "-o", "parts")], ids=lambda command: command[0]
)
def test_damaged_files(command, data, wanted, capsys):
    Path("odd.inr").write_bytes(data(Path("photo.inr").read_bytes()))
    status, line = refused(capsys, command[0], "odd.inr", *command[1:])
    assert status == 1 and line.startswith(f"inrc {command[0]}: ") and wanted in line


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        (("encode", "photo.png", "x.jpeg"), 2, "wanted an output that ends in .inr, or in / for a folder, got x.jpeg"),
        (("encode", "photo.png", "none/x.inr"), 2, "wanted an output in a folder that is there, got none/x.inr"),
        (("encode", "photo.png", "folder.inr"), 2, "wanted a file to write, folder.inr is a directory"),
        (("decode", "photo.inr", "x.xyz"), 1, "x.xyz: wanted one of .png .ppm"),
        (("decode", "photo.inr", "x"), 1, "got no extension"),
        (("decode", "photo.inr", "folder.png"), 1, "folder.png: wanted a file name, got a directory"),
        (("decode", "photo.inr", "none/x.png"), 1, "none/x.png: wanted to write"),
        (("decode", "photo.inr", "x.pgm"), 1, "wanted grey, got RGB"),
        (("decode", "photo.inr", "x.png", "--frame", "1"), 1, "--frame: wanted one below 1, got 1"),
        (("decode", "folder.inr", "x.png"), 1, "wanted access to folder.inr, got: Is a directory"),
        (("info", "none.inr"), 1, "wanted access to none.inr, got: No such file"),
        (("bench", "none.inr"), 1, "wanted access to none.inr, got: No such file"),
        (("export", "photo.inr", "-o", "photo.png"), 1, "wanted access to photo.png, got: File exists"),
        (("export", "photo.inr"), 2, "the following arguments are required: -o/--output"),
        (("decode", "photo.inr", "x.png", "--threads", "-1"), 2, "--threads: wanted a whole number from 0 to 1024, got -1"),
        (("bench", "photo.inr", "--runs", "2.5"), 2, "--runs: wanted a whole number from 0 to 1000000, got 2.5"),
        (("paint", "photo.inr"), 2, "invalid choice: 'paint'"),
        ((), 2, "the following arguments are required: COMMAND"),
    ],
)
def test_files_and_arguments_that_will_not_do(arguments, status, wanted, capsys):
    for name in ("folder.inr", "folder.png"):
        Path(name).mkdir()
    found, line = refused(capsys, *arguments)
    assert found == status and line.startswith("inrc") and wanted in line


@pytest.mark.parametrize(
    ("options", "status", "wanted"),
    [
        (("--bpp", "1", "--psnr", "30"), 2, "argument --psnr: not allowed with argument --bpp"),
        (("--lmbda", "0.1", "--bytes", "300"), 2, "argument --bytes: not allowed with argument --lmbda"),
        (("--lmbda", "nan"), 1, "--lmbda: wanted a positive number, got nan"),
        (("--lmbda", "-0.001"), 1, "--lmbda: wanted a positive number, got -0.001"),
        (("--lmbda", "99"), 1, "--lmbda: wanted 1e-07 to 10.0, got 99"),
        (("--lmbda", "much"), 2, "--lmbda: invalid float value: 'much'"),
        (("--bpp", "0"), 1, "--bpp: wanted a positive number, got 0"),
        (("--psnr", "inf"), 1, "--psnr: wanted a positive number, got inf"),
        (("--seconds", "nan"), 1, "--seconds: wanted a positive number, got nan"),
        (("--iterations", "0"), 1, "--iterations: wanted a positive number, got 0"),
        (("--iterations", "9" * 40), 2, "--iterations: wanted a whole number from 0 to"),
        (("--seed", "x"), 2, "--seed: wanted a whole number from 0 to"),
        (("--method", "nerf"), 1, "--method: wanted one of pyramid"),
        (("--preset", "eternal"), 1, "--preset: wanted one of draft, fast, medium, slow, placebo, got eternal"),
        (("--device", "cuda"), 1, "--device: wanted cuda, but torch finds no CUDA device"),
        (("--device", "tpu"), 1, "--device: wanted auto, cpu or cuda, got tpu"),
        (("--size", "3"), 2, "unrecognized arguments: --size 3"),
    ],
)
def test_options_that_make_no_sense(options, status, wanted, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    found, line = refused(capsys, "encode", "photo.png", "x.inr", *options)
    assert found == status and line.startswith("inrc") and wanted in line


@pytest.mark.parametrize("command", [("encode", "photo.png", "x.inr"), ("methods",), ("demo", "-o", "shown")])
def test_without_the_encoders_packages(command):
    done = run(sys.executable, "-c", NO_TORCH, *command)
    wanted = f"inrc {command[0]}: wanted the encoder's packages, torch is missing: pip install 'inrcodec[train]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", wanted)
    assert set(files()) == {"photo.png", "photo.inr"}


def test_decoding_needs_none_of_them():
    done = run(sys.executable, "-c", NO_TORCH, "decode", "photo.inr", "again.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and Path("again.png").stat().st_size


def test_a_folder_that_cannot_be_written(capsys, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)
    status, line = refused(capsys, "encode", "photo.png", "x.inr", *QUICK)
    assert status == 2 and "wanted a folder that can be written, . cannot" in line


COMMANDS_THAT_WRITE = [
    ("encode", "photo.png", "photo.inr", *QUICK, "--quiet"),
    ("encode", "photo.png", "new.inr", *QUICK, "--quiet"),
    ("decode", "photo.inr", "photo.png"),
    ("decode", "photo.inr", "new.jpg"),
    ("export", "photo.inr", "-o", "."),
]


@pytest.mark.parametrize("command", COMMANDS_THAT_WRITE, ids=lambda command: " ".join(command[:3]))
@pytest.mark.parametrize("step", ["write", "rename"])
def test_a_full_disk(step, command, capsys, monkeypatch):
    """Whatever was there stays; nothing half-written does."""

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(FileIO):
        write = full

    if step == "write":
        monkeypatch.setattr("inrcodec.runtime.pixels.open", Full, raising=False)
    else:
        monkeypatch.setattr("os.replace", full)
    status, line = refused(capsys, *command)
    assert status == 1 and "wanted to write" in line and "got: No space left on device" in line


def test_what_is_no_checkpoint_is_refused(capsys):
    Path("photo.inr.resume").write_bytes(b"no checkpoint")
    status, line = refused(capsys, "encode", "photo.png", "photo.inr", *QUICK, "--resume", "--quiet")
    assert status == 1 and "--resume: wanted a checkpoint in photo.inr.resume, got" in line


# A line of progress at every check, and checks often.
TALKATIVE = """
import sys
import inrcodec.train.progress as progress
from inrcodec.train.cli import main
progress.LINE_SECONDS = 0
sys.exit(main(sys.argv[1:]))
"""


def test_interrupt_and_resume(capsys):
    """By a real SIGINT once the fit is under way, twice: the second run goes on where the first stopped."""
    long = ("encode", "photo.png", "long.inr", "--iterations", "3000", "--threads", "1", "--device", "cpu")
    (_, last), (first, _) = (interrupted(*long, *more) for more in ((), ("--resume",)))
    assert 0 < last < first
    assert decode("long.inr").shape == (24, 32, 3)
    assert set(files()) == {"photo.png", "photo.inr", "long.inr", "long.inr.resume"}
    status, line = refused(capsys, *long, "--resume", "--seed", "1")
    assert status == 1 and "--resume: long.inr.resume is of another picture or other options" in line


def interrupted(*arguments: str) -> tuple[int, int]:
    """Percent done at the first two checks of an encode that is interrupted then; asserts that it says so."""
    with subprocess.Popen([sys.executable, "-c", TALKATIVE, *arguments], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        fits = (line for line in process.stderr if line.startswith("fit "))
        first, second = (int(next(fits).split()[1]) for _ in range(2))
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 0 and "interrupted; the best so far is in long.inr; --resume goes on" in rest, rest
    return first, second
