"""What a file is decoded from: its bytes, and the decoder graphs that it names."""

import mmap
import os
from pathlib import Path

from .profile import Profile, standard, unbundle
from .syntax import DIGEST, NAMED_BY_DIGEST, Header
from .wire import BitstreamError

PROFILE_FOLDER = "INRC_PROFILES"  # environment variable: where profiles named by digest lie
MAPPED = 2**20  # bytes from which a file is

Source = bytes | bytearray | memoryview | str | os.PathLike[str]


def read_source(source: Source) -> bytes | memoryview:
    """The bytes themselves, or those of the file at a path; a large file is mapped, and read where it is looked at."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    with Path(source).open("rb") as file:
        if os.fstat(file.fileno()).st_size < MAPPED:
            return file.read()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def find_profile(header: Header, trust_graph: bool = False) -> Profile:
    """The decoder graphs: shipped, in the folder INRC_PROFILES, or in the file itself. Raises BitstreamError."""
    if header.profile != NAMED_BY_DIGEST:
        return standard(header.profile)
    name = header.digest.hex()
    if "graphs" in header.sections:
        if not trust_graph:
            raise BitstreamError(f"this file brings its own decoder graph {name}: wanted leave to run it (--trust-graph)")
        profile = unbundle(header.sections["graphs"])
    else:
        folder = os.environ.get(PROFILE_FOLDER)
        path = Path(folder or "", f"{name}.profile")
        if not folder or not path.is_file():
            raise BitstreamError(
                f"wanted the decoder graph {path.name} in the folder that {PROFILE_FOLDER} names, found none"
            )
        profile = unbundle(path.read_bytes())
    if profile.digest != header.digest:
        raise BitstreamError(f"wanted the decoder graph {name}, got {profile.digest[:DIGEST].hex()}")
    return profile
