"""The house rules of the sources: imports run downstairs, the decoder needs no torch, the wheel holds every room."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

FLOORS = ("runtime", "models", "export", "train")  # each may import itself and those before it
DECODER = {"numpy", "onnxruntime", "constriction"}
ALLOWED = {
    "root": set(),
    "runtime": DECODER,
    "models": DECODER | {"torch", "triton"},  # which torch brings where there is a GPU
    "export": DECODER | {"torch", "onnx"},
    "train": DECODER | {"torch", "onnx", "PIL", "av", "imagecodecs", "matplotlib", "ray", "rich", "scipy"},
}
ALLOWED_IN_FUNCTIONS = {"runtime": {"PIL", "av", "imagecodecs"}}

SHIPPED = [ROOT / "__init__.py", *sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))]
SOURCES = [*SHIPPED, *sorted((ROOT / "tests").rglob("*.py"))]
TEXTS = {".cff", ".csv", ".html", ".js", ".json", ".md", ".py", ".sh", ".toml", ".tsv", ".txt"}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floor_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.parent != ROOT else "root"


def imports(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement under `node`; lazy if loading the module does not run it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, lazy
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            for_types = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            yield from imports(child, lazy or function or for_types)


def relative_targets(path: Path, node: ast.ImportFrom) -> set[str]:
    """The floors that `from ..x import y` in the file at `path` reaches."""
    folder = path.relative_to(ROOT).parent.parts
    base = [*folder[: len(folder) + 1 - node.level], *(node.module or "").split(".")]
    firsts = [base[0]] if base[0] else [alias.name for alias in node.names]  # `from .. import x` of the root
    return {first if first in FLOORS else "root" for first in firsts}


def faults(path: Path) -> Iterator[str]:
    """What the imports of one shipped file do that the house does not allow."""
    floor = floor_of(path)
    for node, lazy in imports(ast.parse(path.read_text())):
        where = f"{name(path)}:{node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.level:
            for target in relative_targets(path, node):
                if floor == "root" and not lazy and target not in ("root", "runtime"):
                    yield f"{where} loads {target} with `import inrcodec`"
                if floor != "root" and (target == "root" or FLOORS.index(target) > FLOORS.index(floor)):
                    yield f"{where} climbs from {floor} to {target}"
            continue
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
        for package in packages & {"inrcodec", *FLOORS}:
            yield f"{where} imports {package} absolutely"
        allowed = ALLOWED[floor] | (ALLOWED_IN_FUNCTIONS.get(floor, set()) if lazy else set())
        for package in packages - allowed - {"inrcodec", *FLOORS}:
            yield f"{where} imports {package}, not one of {sorted(allowed)}"


def test_imports_run_downstairs():
    assert [fault for path in SHIPPED for fault in faults(path)] == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("runtime/x.py", "from ..models import y", "climbs from runtime to models"),
        ("models/parts/x.py", "def f():\n    from ...train.y import z", "climbs from models to train"),
        ("export/x.py", "from .. import train", "climbs from export to train"),
        ("export/x.py", "from .. import decode", "climbs from export to root"),
        ("models/parts/x.py", "from ...runtime.y import z\nfrom .. import rates\nimport torch.nn", None),
        ("runtime/x.py", "import PIL.Image", "imports PIL"),
        ("runtime/x.py", "def f():\n    from PIL import Image", None),
        ("runtime/x.py", "try:\n    import torch\nexcept ImportError: pass", "imports torch"),
        ("train/x.py", "from inrcodec.runtime import y", "imports inrcodec absolutely"),
        ("__init__.py", "from .train import y", "loads train"),
        ("__init__.py", "from .runtime import y\ndef f():\n    from .train import y", None),
    ],
)
def test_the_rules_bite(file, source, expected, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    found = list(faults(path))
    assert len(found) == (expected is not None) and all(expected in fault for fault in found)


def test_every_folder_is_packaged():
    folders = {path.parent.relative_to(ROOT) for path in SHIPPED}
    packages = {".".join(("inrcodec", *folder.parts)) for folder in folders}
    assert packages == set(PROJECT["tool"]["setuptools"]["packages"])
    assert [folder for folder in folders if not (ROOT / folder / "__init__.py").exists()] == []


def test_the_root_holds_no_other_module():
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]


def test_versions_agree():
    version = PROJECT["project"]["version"]
    assert f'\n__version__ = "{version}"\n' in (ROOT / "__init__.py").read_text()
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


DECODER_MODULES = [
    ".".join(("inrcodec", *path.relative_to(ROOT).with_suffix("").parts))
    for path in SHIPPED
    if floor_of(path) == "runtime" and path.stem != "__init__"
]


@pytest.mark.parametrize(
    "modules",
    [["inrcodec"], ["inrcodec.runtime"], DECODER_MODULES, ["inrcodec.train.cli"]],
    ids=["package", "runtime", "every module of runtime", "command"],
)
def test_decoding_loads_no_encoder(modules, tmp_path):
    heavy = ["torch", "onnx", "PIL", "av", "imagecodecs", "matplotlib", "ray", "rich", "scipy"]
    script = f"import sys, {', '.join(modules)}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_every_module_says_what_it_is():
    assert [name(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_module_is_named_for_leftovers():
    assert [name(path) for path in SOURCES if path.stem in ("base", "common", "helpers", "misc", "utils")] == []


def test_no_file_knows_a_machine():
    machine = re.compile(r"(?<![\w.})\]])/(?:work|tmp|home|root|mnt|Users)\b")
    files = [path for folder in (*FLOORS, "tests", ".ci") for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file()]
    texts = [path for path in files if path.suffix in TEXTS or path.name in ("Makefile", "run")]
    assert [name(path) for path in texts if machine.search(path.read_text())] == []
