"""The files behind the figures are there, have the bytes that the tables say, and still decode."""

import csv
from pathlib import Path

import pytest

import inrcodec

RESULTS = Path(__file__).parent / "benchmarks" / "results"
TABLES = sorted([*RESULTS.glob("*/runs.tsv"), *RESULTS.glob("methods*.tsv"), *RESULTS.glob("video_small.tsv")])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.relative_to(RESULTS).as_posix())
def test_files_are_as_the_table_says(table):
    lines = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    folder, of_methods = (table.parent, False) if table.name == "runs.tsv" else (table.with_suffix(""), True)
    files = {folder / (row["codec"] * of_methods) / row["lmbda"] / f"{row['image']}.inr": row for row in rows}
    assert len(files) == len(rows) > 0 and files.keys() == set(folder.rglob("*.inr"))
    for path, row in files.items():
        pixels = inrcodec.decode(path)
        assert pixels.shape[-3:] == (int(row["height"]), int(row["width"]), 3)
        assert path.stat().st_size == int(row["bytes"])
        assert float(row["bpp"]) == pytest.approx(8 * int(row["bytes"]) / pixels[..., 0].size, abs=1e-5)
