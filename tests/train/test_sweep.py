"""Encodes in processes: what is made is not made again, and what comes too late is left."""

import numpy as np
import pytest
from PIL import Image

from inrcodec.train import sweep
from inrcodec.train.evaluate import file_in
from inrcodec.train.task import STATE

OPTIONS = {"method": "siren", "iterations": 5, "seconds": None, "device": "cpu", "seed": 0, "threads": 1}


@pytest.fixture
def point(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    return tmp_path / "noise.png", 0.01


def test_who_dies_before_the_row_is_written_finds_the_file(point, tmp_path, monkeypatch):
    encodes = sweep.in_processes(2, OPTIONS)([point], tmp_path)
    first = next(encodes)
    encodes.close()
    assert first.data == file_in(tmp_path, "noise", 0.01).read_bytes() and first.iterations == 5 and first.seconds > 0
    monkeypatch.setattr(sweep, "encode_all", lambda *_: (_ for _ in ()))
    assert list(sweep.in_processes(2, OPTIONS)([point], tmp_path)) == [first]
    assert [path for path in (tmp_path / STATE).rglob("*") if path.is_file()] == []


def test_what_has_not_begun_in_time_is_left(point, tmp_path):
    assert list(sweep.in_processes(1, OPTIONS, begin_by=0)([point], tmp_path)) == []
    assert not file_in(tmp_path, "noise", 0.01).exists()
