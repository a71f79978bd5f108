"""The kernel's source compiles for machines that are not this one, without a library; skipped where there is no compiler."""

import shutil
import subprocess
from pathlib import Path

import pytest

from inrcodec.runtime import native

SOURCE = Path(native.__file__).with_name("kernel.c")
ALONE = ("-std=c99", "-O3", "-ffreestanding", "-nostdlib")
COMPILERS = {
    "wasm32 with vectors": ("clang", "--target=wasm32", "-msimd128", *ALONE, "-Wl,--no-entry", "-Wl,--export-all"),
    "wasm32": ("clang", "--target=wasm32", *ALONE, "-Wl,--no-entry", "-Wl,--export-all"),
    "aarch64": ("aarch64-linux-gnu-gcc", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", *ALONE),
    "here, no warnings": ("gcc", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", *ALONE),
}


@pytest.mark.parametrize("name", COMPILERS)
def test_it_compiles_alone(name, tmp_path):
    command = COMPILERS[name]
    if not shutil.which(command[0]) or ("wasm32" in name and not shutil.which("wasm-ld")):
        pytest.skip(f"no {command[0]}, or no linker for it, on this machine")
    done = subprocess.run([*command, "-o", tmp_path / "kernel", SOURCE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "kernel").stat().st_size < 2**17


def test_versions_agree():
    assert f"inrc_kernel_{native.VERSION}(void)" in SOURCE.read_text()
