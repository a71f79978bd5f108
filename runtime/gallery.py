"""Files as a web page: `inrc serve DIR` shows it on this machine, `inrc gallery DIR` writes it for any web host.

Both have the same files under the same names. The page decodes in the browser (`web/`).
"""

import argparse
import json
import os
import re
import shutil
import webbrowser
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from .clip import ClipError
from .file import InrFile
from .profile import FOLDER, STANDARD
from .syntax import NAMED_BY_DIGEST
from .wire import BitstreamError

WEB = Path(__file__).parent / "web"
BESIDE = (".png", ".jpg", ".jpeg", ".webp", ".avif")  # the original, and other codecs' pictures of the same name
TYPES = {
    **{".html": "text/html; charset=utf-8", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"},
    **{".json": "application/json", ".wasm": "application/wasm", ".png": "image/png", ".avif": "image/avif"},
    **{".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".txt": "text/plain"},
}
POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self'; "
POLICY += "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
ONNXRUNTIME = re.compile(r"ort\.(wasm|jspi)\.min\.mjs|ort-wasm-simd-threaded(\.jspi)?\.(mjs|wasm)")  # the latter for WebGPU
PIECE = 1 << 16  # bytes that are sent at a time

Site = dict[str, Path | bytes]  # by the path in a URL


class GalleryError(ValueError):
    """A folder that makes no gallery; says what was wanted and what came."""


def site(where: Path, onnxruntime: Path | None = None) -> Site:
    """All files of the page that shows a file, or those in a folder. `onnxruntime` is the `dist` of the npm package
    onnxruntime-web, which methods other than `pyramid` need."""
    if not where.exists():
        raise GalleryError(f"wanted a folder or a file, got {where}")
    folder = where if where.is_dir() else where.parent
    paths = sorted(path for path in where.rglob("*.inr") if path.is_file()) if where.is_dir() else [where]
    if not paths:
        raise GalleryError(f"wanted a folder with .inr files, {folder} has none")
    pages: Site = {path.name: path for path in (WEB / "gallery").iterdir()}
    pages |= {f"inr/{path.name}": path for path in (WEB / "dist").iterdir()}
    pages |= {f"inr/profiles/{path.name}": path for path in FOLDER.iterdir()}
    if onnxruntime:
        wanted = [path for path in onnxruntime.glob("ort*") if path.suffix in (".mjs", ".wasm")]
        if not any(path.name == "ort.wasm.min.mjs" for path in wanted):
            raise GalleryError(f"wanted onnxruntime-web's dist, {onnxruntime} has no ort.wasm.min.mjs")
        pages |= {f"inr/onnxruntime/{path.name}": path for path in wanted if ONNXRUNTIME.fullmatch(path.name)}
    names = {path: path.relative_to(folder).as_posix() for path in paths}
    for path in paths:
        pages |= {f"files/{names[path]}": path}
        pages |= {f"files/{beside.relative_to(folder).as_posix()}": beside for beside in pictures_beside(path)}
    pages["gallery.json"] = json.dumps([entry for path in paths if (entry := described(path, folder))]).encode()
    return pages


def pictures_beside(path: Path) -> list[Path]:
    return [other for ending in BESIDE if (other := path.with_suffix(ending)).is_file()]


def described(path: Path, folder: Path) -> dict[str, Any]:
    """What the page says of a file; little of one that is damaged, which the page shows as such."""

    def url(path: Path) -> str:
        return "files/" + quote(path.relative_to(folder).as_posix())

    beside = [{"name": p.suffix[1:], "url": url(p), "bytes": p.stat().st_size} for p in pictures_beside(path)]
    facts = {"name": path.relative_to(folder).with_suffix("").as_posix(), "url": url(path), "beside": beside}
    try:
        file = InrFile(path)
        signal, clip, bits = file.header.signal, file.facts, 8 * len(file.data)
    except (BitstreamError, ClipError):
        size = path.stat().st_size
        return facts | {"method": "damaged", "width": 0, "height": 0, "frames": 1, "rate": None, "bytes": size, "bpp": 0}
    own = file.header.profile == NAMED_BY_DIGEST
    method = "its own graph" if own else file.profile.manifest.method or STANDARD[file.header.profile]
    sizes = {"width": signal.width, "height": signal.height, "frames": signal.frames}
    rate = float(clip.rate) if clip else None
    return facts | sizes | {"method": method, "rate": rate, "bytes": bits // 8, "bpp": bits / signal.pixels}


def write_site(pages: Site, output: Path) -> int:
    """Copy all; returns how many bytes that are."""
    total = 0
    for name, page in pages.items():
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(page, bytes):
            target.write_bytes(page)
        else:
            shutil.copyfile(page, target)
        total += target.stat().st_size
    return total


class Handler(BaseHTTPRequestHandler):
    """Serves a `Site`, whole or by ranges; nothing that it does not name."""

    protocol_version = "HTTP/1.1"

    def __init__(self, pages: Site, *arguments: Any) -> None:
        self.pages = pages
        super().__init__(*arguments)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = unquote(urlsplit(self.path).path).lstrip("/") or "index.html"
        page = self.pages.get(name)
        if page is None or (isinstance(page, Path) and not page.is_file()):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        size = len(page) if isinstance(page, bytes) else page.stat().st_size
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        end = min(int(asked[2]) + 1, size) if asked and asked[2] else size
        if asked and first >= size:
            self.send_error(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            return
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{end - 1}/{size}")
        headers = {"Content-Type": TYPES.get(os.path.splitext(name)[1].lower(), "application/octet-stream")}
        headers |= {"Content-Length": str(max(0, end - first)), "Accept-Ranges": "bytes", "Cache-Control": "no-cache"}
        for header, value in (headers | {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}).items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self._send(page, first, end)

    def _send(self, page: Path | bytes, first: int, end: int) -> None:
        if isinstance(page, bytes):
            self.wfile.write(page[first:end])
            return
        with page.open("rb") as file:
            file.seek(first)
            for at in range(first, end, PIECE):
                self.wfile.write(file.read(min(PIECE, end - at)))

    def log_message(self, format: str, *arguments: Any) -> None:
        """Not a line per request."""


def server(pages: Site, port: int) -> ThreadingHTTPServer:
    """On this machine alone; port 0 takes a free one."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, pages))


def serve(pages: Site, port: int, what: str, browser: bool = False) -> None:
    """Until it is interrupted; in a `browser` that is opened."""
    with server(pages, port) as web:
        url = f"http://127.0.0.1:{web.server_address[1]}/"
        print(f"{url} shows {what}; Ctrl-C ends it", flush=True)
        if browser:
            webbrowser.open(url)
        try:
            web.serve_forever()
        except KeyboardInterrupt:
            print()


def serve_command(options: argparse.Namespace) -> None:
    serve(site(Path(options.folder), options.onnxruntime), options.port, options.folder, options.browser)


def gallery_command(options: argparse.Namespace) -> None:
    pages = site(Path(options.folder), options.onnxruntime)
    total = write_site(pages, Path(options.output))
    print(f"{options.output}: {len(pages)} files, {total} bytes; any web host can show them")
