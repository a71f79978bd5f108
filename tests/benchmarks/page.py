"""What pages cost in headless Chromium: bytes, first pixels, decoding a picture again, and frames of `player`.

    make test-web && python tests/benchmarks/page.py

The picture is the file of kodim20 in results/kodak/0.0005; clips, of 640x360, have networks as a fit begins (`playback.py`).
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "web"))
import playback
from drivers import PHOTO, in_browser

from inrcodec.models.video import player

HEIGHT, WIDTH, FRAMES = 360, 640, 50


def main() -> None:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    moving = [np.stack([x / 4 + 8 * k, y / 2 - k, (x + y) / 5], -1) % 256 for k in range(playback.DISTINCT)]
    print(f"load {os.getloadavg()[0]:.1f} when it began")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cost = in_browser(folder, only=["timed"], photo=str(PHOTO))["timed"]
        print(
            f"768x512: {cost['bytes']} bytes of decoder, first pixels {cost['cold']:.0f} ms from the script's start, ", end=""
        )
        print(f"warm {cost['warm']:.0f} ms ({cost['warmCpu']:.0f} ms of CPU)")
        for tune in player.WIDTHS:
            path = folder / f"{tune}.inr"
            path.write_bytes(playback.made(tune, np.stack(moving).astype(np.uint8), 2, 1))
            found = in_browser(folder, only=["rate"], clip=str(path), frames=FRAMES)["rate"]
            print(f"player {tune}, {WIDTH}x{HEIGHT}: {found['fps']:.1f} fps, {found['cpu']:.1f} ms of CPU a frame")


if __name__ == "__main__":
    main()
