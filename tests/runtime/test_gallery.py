"""A folder as a page: what is served, and what is written for other hosts."""

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from inrcodec.runtime.decoder import decode
from inrcodec.runtime.gallery import WEB, GalleryError, server, site, write_site
from inrcodec.runtime.pixels import write_image
from inrcodec.train.cli import main

VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A picture with its original, one of another method in a folder, and a damaged one."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "a b.inr").write_bytes((VECTORS / "rgb8.inr").read_bytes())
    write_image(tmp_path / "a b.png", decode(VECTORS / "rgb8.inr"))
    (tmp_path / "deep" / "set.inr").write_bytes((VECTORS / "coinpp_rgb8_set.inr").read_bytes())
    (tmp_path / "cut.inr").write_bytes((VECTORS / "rgb8.inr").read_bytes()[:99])
    return tmp_path


def test_what_the_page_is_told(folder):
    facts = {entry["name"]: entry for entry in json.loads(site(folder)["gallery.json"])}
    assert {name: entry["method"] for name, entry in facts.items()} == {
        **{"a b": "pyramid", "cut": "damaged", "deep/set": "coinpp"},
    }
    picture, several = facts["a b"], facts["deep/set"]
    assert (picture["width"], picture["height"], picture["bytes"], picture["bpp"]) == (96, 64, 800, 8 * 800 / (96 * 64))
    assert picture["url"] == "files/a%20b.inr" and [other["name"] for other in picture["beside"]] == ["png"]
    assert several["frames"] == 3 and several["rate"] is None


def test_served_as_written(folder, tmp_path):
    pages = site(folder)
    total = write_site(pages, tmp_path / "site")
    written = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert len(written) == len(pages) and sum(path.stat().st_size for path in written) == total
    assert (tmp_path / "site" / "inr" / "decoder.wasm").read_bytes() == (WEB / "dist" / "decoder.wasm").read_bytes()
    with server(pages, 0) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{web.server_address[1]}/"
        for name in ("index.html", "inr/decoder.wasm", "files/a%20b.inr", "gallery.json"):
            with urllib.request.urlopen(root + name) as answer:
                assert answer.read() == (tmp_path / "site" / urllib.request.unquote(name)).read_bytes()
                assert "'wasm-unsafe-eval'" in answer.headers["Content-Security-Policy"]
        part = urllib.request.Request(root + "inr/decoder.wasm", headers={"Range": "bytes=4-7"})
        with urllib.request.urlopen(part) as answer:
            assert (answer.status, answer.read()) == (206, b"\1\0\0\0")
            assert answer.headers["Content-Range"] == f"bytes 4-7/{(WEB / 'dist' / 'decoder.wasm').stat().st_size}"
        for name, status in {"files/../index.html": 404, "nothing": 404}.items():
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(root + name)
            assert error.value.code == status
            error.value.close()
        beyond = urllib.request.Request(root + "gallery.json", headers={"Range": "bytes=999999-"})
        with pytest.raises(urllib.error.HTTPError, match="416") as error:
            urllib.request.urlopen(beyond)
        error.value.close()
        web.shutdown()


def test_folders_that_make_no_gallery(tmp_path):
    for wrong, said in ((tmp_path / "none", "wanted a folder or a file, got"), (tmp_path, "has none")):
        with pytest.raises(GalleryError, match=said):
            site(wrong)
    (tmp_path / "a.inr").write_bytes(b"")
    with pytest.raises(GalleryError, match=r"ort\.wasm\.min\.mjs"):
        site(tmp_path, tmp_path)


def test_one_file_alone(folder):
    pages = site(folder / "a b.inr")
    assert [entry["name"] for entry in json.loads(pages["gallery.json"])] == ["a b"]
    assert {name for name in pages if name.startswith("files/")} == {"files/a b.inr", "files/a b.png"}


def test_play_opens_a_browser(folder, monkeypatch, capsys):
    """Which is told where; the server ends with an interruption."""
    told = []

    def interrupted(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", told.append)
    monkeypatch.setattr("http.server.ThreadingHTTPServer.serve_forever", interrupted)
    assert main(["play", str(folder / "deep" / "set.inr"), "--browser"]) == 0
    assert told and told[0] in capsys.readouterr().out


def test_command(folder, tmp_path, capsys):
    assert main(["gallery", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert "any web host" in capsys.readouterr().out
    assert np.all([(tmp_path / "out" / name).is_file() for name in ("index.html", "gallery.js", "inr/worker.js")])
    assert main(["gallery", str(tmp_path / "out" / "inr"), "-o", str(tmp_path / "x")]) == 1
    assert "wanted a folder with .inr files" in capsys.readouterr().err
