"""What every test runs under: one thread a process, and a fixed seed."""

import os
import random
import sys
from pathlib import Path

import hypothesis
import pytest

# Set before torch or a BLAS is first imported: workers share the cores, and sums must not depend on how many there are.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
if not Path("/dev/nvidiactl").exists():
    os.environ["TRITON_INTERPRET"] = "1"  # kernels for a GPU run where there is none

hypothesis.settings.register_profile("suite", deadline=None, derandomize=True)  # a busy machine is no failure
hypothesis.settings.load_profile("suite")


@pytest.fixture(autouse=True)
def seed() -> None:
    """Seed the generators of what is loaded: a test of the decoder does not load torch."""
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)
