"""`inrc export`: a file for programs that have ONNX Runtime alone. Light to import: onnx is loaded on use."""

import argparse
from pathlib import Path
from typing import Any

from ..runtime.cli import add, add_trust, check_frame, whole
from ..runtime.file import open as open_inr
from ..runtime.pixels import write_atomically


def add_commands(commands: Any) -> None:
    export = add(commands, "export", export_command, "write decoder graphs and tensors for ONNX Runtime alone")
    export.add_argument("input", metavar="IN.inr")
    export.add_argument("-o", "--output", required=True, metavar="DIR", help="where the files go; made if it is not there")
    export.add_argument("--standalone", action="store_true", help="one model, DIR/IN.onnx, that gives the picture")
    export.add_argument("--frame", type=whole(2**31), default=0, metavar="K", help="which picture of a set (default 0)")
    add_trust(export)


def export_command(options: argparse.Namespace) -> None:
    from .standalone import standalone, unpacked

    source, folder = Path(options.input), Path(options.output)
    file = open_inr(source, trust_graph=options.trust_graph)
    check_frame(file, options.frame)
    one = {f"{source.stem}.onnx": standalone(file, options.frame)} if options.standalone else None
    files = one or unpacked(file, options.frame)
    if outside := [name for name in files if Path(name).name != name]:  # a file's own graph names its tensors
        raise ValueError(f"wanted tensors whose names can be file names, got {outside[0]!r}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_atomically(folder / name, data)
    print(f"{folder}: {len(files)} file{'s' * (len(files) > 1)}, {sum(map(len, files.values()))} bytes")
