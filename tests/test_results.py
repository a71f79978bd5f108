"""The files behind the figures are there, have the bytes that the tables say, and still decode."""

import csv
from pathlib import Path

import pytest

import inrcodec

RESULTS = Path(__file__).parent / "benchmarks" / "results"
TABLES = sorted(RESULTS.glob("*/runs.tsv"))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.parent.name)
def test_files_are_as_the_table_says(table):
    lines = [line for line in table.read_text().splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    files = {table.parent / row["lmbda"] / f"{row['image']}.inr": row for row in rows}
    assert len(files) == len(rows) > 0 and files.keys() == set(table.parent.rglob("*.inr"))
    for path, row in files.items():
        width, height = int(row["width"]), int(row["height"])
        assert path.stat().st_size == int(row["bytes"])
        assert float(row["bpp"]) == pytest.approx(8 * int(row["bytes"]) / (width * height), abs=1e-5)
        assert inrcodec.decode(path).shape == (height, width, 3)
