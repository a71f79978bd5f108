"""Which decoder a machine gets; that they read the same is held by `test_context` and `test_vectors`."""

import importlib.util

import pytest

from inrcodec.runtime.coder import decoder
from inrcodec.runtime.native import SWITCH, NativeDecoder, library
from inrcodec.runtime.pure import PureDecoder
from inrcodec.runtime.range_coder import Decoder


@pytest.mark.skipif(not library(), reason="the kernel was not built: no compiler")
def test_the_kernel_comes_first(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    assert isinstance(decoder(b""), NativeDecoder)


def test_the_kernel_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    assert isinstance(decoder(b""), Decoder)


def test_python_serves_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setenv(SWITCH, "0")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert isinstance(decoder(b""), PureDecoder)
