"""What files are taken for, by their names."""

from pathlib import Path

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pnm", ".bmp", ".gif")
CLIPS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".y4m", ".mpg", ".ts", ".ogv")
CLIPS += (".264", ".h264", ".265", ".hevc", ".ivf")  # bare streams
NO_SECONDS = "wanted --iterations or a preset with a clip, whose segments they are for, got --seconds"


def is_clip(path: Path) -> bool:
    """Folders of pictures are, too."""
    return path.suffix.lower() in CLIPS or (path.is_dir() and not path.suffix)
