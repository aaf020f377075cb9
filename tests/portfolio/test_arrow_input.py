"""Parquet and Feather files that are wrong, damaged or larger than they look: a clear error, and bounded memory."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from cli.conftest import Invoke
from portfolios import batch
from trivium.portfolio.arrow_input import ROWS, BatchFile, spread
from trivium.portfolio.parquet_pages import read_chunk, read_footer


pytest_plugins = ["cli.conftest"]

MEBIBYTE = 1 << 20


def parquet(path: Path, table: Any, **options: Any) -> Path:
    pq.write_table(table, path, **{"compression": "zstd", **options})
    return path


def feather(path: Path, table: Any, rows: int | None = None) -> Path:
    pyarrow.feather.write_feather(table, path, compression="zstd", chunksize=rows)
    return path


def table(count: int = 300) -> Any:
    rows = batch(count, 5)
    return pa.Table.from_batches([rows.append_column("id", pa.array([f"project {at}" for at in range(count)]))])


def read(path: Path) -> Any:
    kind = "parquet" if path.suffix == ".parquet" else "feather"
    with path.open("rb") as file:
        found = BatchFile(file, str(path), kind)
        pieces = list(found.pieces())
        columns = [
            pa.chunked_array([spread(one.batch.column(at), field.type) for one in pieces], field.type)
            for at, field in enumerate(found.schema)
        ]
        assert [one.before for one in pieces] == [0, *np.cumsum([one.batch.num_rows for one in pieces])[:-1].tolist()]
        assert all(one.batch.num_rows <= ROWS for one in pieces)
        assert found.rows == sum(one.batch.num_rows for one in pieces)
        return pa.table(columns, schema=found.schema)


def repeated(value: Any, count: int, kind: Any = None) -> Any:
    """Return a column of one value, which its file has once."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([value], kind))


# What is read


NESTED = pa.table(
    {
        "primary_goal": ["cost", None, "facts"] * 200,
        "tags": [["a", "b"], [], None] * 200,
        "facts": [{"a": 1, "b": [{"c": "x"}]}, None, {"a": None, "b": []}] * 200,
        "codes": [[("k", 1)], None, []] * 200,
        "raw": [b"\x00\xff", None, b""] * 200,
        "fixed": pa.array([b"ab", None, b"cd"] * 200, pa.binary(2)),
        "many": pa.array([f"value {at}" for at in range(600)]),
    },
    schema=pa.schema(
        [
            ("primary_goal", pa.string()),
            ("tags", pa.list_(pa.string())),
            ("facts", pa.struct([("a", pa.int64()), ("b", pa.list_(pa.struct([("c", pa.string())])))])),
            ("codes", pa.map_(pa.string(), pa.int64())),
            ("raw", pa.binary()),
            ("fixed", pa.binary(2)),
            ("many", pa.string()),
        ]
    ),
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 70, "data_page_size": 64, "write_batch_size": 3},
        {"data_page_version": "2.0", "compression": "snappy"},
        {"use_dictionary": False, "compression": "none"},
        {"dictionary_pagesize_limit": 200, "write_batch_size": 5},  # after which a column goes on without it
        {"use_dictionary": False, "column_encoding": {"many": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False, "column_encoding": {"many": "DELTA_LENGTH_BYTE_ARRAY"}},
        {"write_page_index": True, "write_page_checksum": True},
    ],
)
def test_parquet_is_read_however_it_is_written(tmp_path: Path, options: Any) -> None:
    assert read(parquet(tmp_path / "in.parquet", NESTED, **options)).equals(NESTED)


@pytest.mark.parametrize("rows", [None, 70])
def test_feather_is_read_however_it_is_written(tmp_path: Path, rows: int | None) -> None:
    assert read(feather(tmp_path / "in.feather", NESTED, rows)).equals(NESTED)
    with pa.ipc.new_stream(tmp_path / "in.arrow", NESTED.schema) as stream:
        stream.write_table(NESTED, rows)
    assert read(tmp_path / "in.arrow").equals(NESTED)


def test_costs_of_structs_become_columns(tmp_path: Path) -> None:
    costs = pa.array([{"model": "gpt-4o", "epochs": 2.0}, None, {"model": None, "epochs": None}] * 5)
    for path in (
        parquet(tmp_path / "in.parquet", pa.table({"costs": costs})),
        feather(tmp_path / "in.feather", pa.table({"costs": costs})),
    ):
        assert read(path).to_pydict() == {
            "costs.model": ["gpt-4o", None, None] * 5,
            "costs.epochs": [2.0, None, None] * 5,
        }


def test_pages_are_found_as_the_metadata_counts_them(tmp_path: Path) -> None:
    path = parquet(tmp_path / "in.parquet", table(5000), row_group_size=2000, data_page_size=500, write_batch_size=100)
    metadata = pq.read_metadata(path)
    names = [metadata.schema.column(at).path for at in range(metadata.num_columns)]
    with path.open("rb") as file:
        groups = read_footer(file, names, "in")
        assert [group.rows for group in groups] == [2000, 2000, 1000]
        for number, group in enumerate(groups):
            for at, column in enumerate(group.columns):
                told = metadata.row_group(number).column(at)
                assert (column.name, column.values) == (told.path_in_schema, told.num_values)
                assert (column.start, column.size) == (told.file_offset or column.start, told.total_compressed_size)
                found = read_chunk(file, column, "in")
                assert (found.dictionary > 0) == told.has_dictionary_page
                assert found.indexed == (told.physical_type != "BOOLEAN")


# What is refused


def damaged(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 255]) + body[at + 1 :]


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_files_that_cannot_be_read_are_refused_and_leave_nothing(invoke: Invoke, tmp_path: Path, suffix: str) -> None:
    whole = (parquet if suffix == "parquet" else feather)(tmp_path / f"whole.{suffix}", table())
    body = whole.read_bytes()
    whole.unlink()
    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    format_of = "Parquet file" if suffix == "parquet" else "Feather or Arrow file"
    for broken, says in (
        (b"", "the file is empty"),
        (body[: len(body) // 2], f"it is no {format_of}, or damaged"),
        (body[:-3], f"it is no {format_of}, or damaged"),
        (b"id,primary_goal\nx,cost\n", f"it is no {format_of}, or damaged"),
        (b"PAR1" * 3, f"it is no {format_of}, or damaged"),
        (b"ARROW1\0\0" * 3, f"it is no {format_of}, or damaged"),
    ):
        source.write_bytes(broken)
        out.write_text("before", "utf-8")
        for target in (out, tmp_path / "out.csv"):
            done = invoke("score", str(source), "-o", str(target))
            assert (done.exit_code, done.stderr[:7]) == (2, "Error: "), broken[:20]
            assert says in done.stderr
            assert done.stderr.count("\n") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, out.name])
        assert out.read_text("utf-8") == "before"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"primary_goal": []}, "there are columns and no rows"),
        ({"team": ["a"]}, "no column is a field of the profile"),
        ({"labeled_exampels": [1]}, "looks like `labeled_examples`"),
        ({"labeled_examples": [1], "Labeled Examples": [2]}, "both give `labeled_examples`"),
        ({"costs": [{"modle": "x", "label_costs": 1}]}, "looks like `costs.label_cost`"),
        ({f"c{number}": [1] for number in range(10_000)}, "more than 1000 columns"),
        ({"primary_goal": ["cost"], "note": ["x" * (MEBIBYTE + 1)]}, "a cell of column `note` has more than"),
        ({"primary_goal": ["cost"], "error": ["x"]}, "say --prefix"),
    ],
)
def test_tables_that_cannot_be_scored_are_refused(
    invoke: Invoke, tmp_path: Path, columns: dict[str, Any], says: str
) -> None:
    for source in (
        parquet(tmp_path / "in.parquet", pa.table(columns)),
        feather(tmp_path / "in.feather", pa.table(columns)),
    ):
        for target in ("out.parquet", "out.csv"):
            done = invoke("score", str(source), "-o", str(tmp_path / target))
            assert (done.exit_code, says in done.stderr) == (2, True), done.stderr
            assert not (tmp_path / target).exists()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_column_has_one_type_in_all_files(invoke: Invoke, tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet", pa.table({"primary_goal": ["cost"], "x": [1]}))
    parquet(tmp_path / "b.parquet", pa.table({"primary_goal": ["cost"], "x": ["one"]}))
    done = invoke("score", str(tmp_path), "-o", str(tmp_path / "out.parquet"))
    assert (done.exit_code, "column `x` is int64 in" in done.stderr) == (2, True)
    assert invoke("score", str(tmp_path), "-o", str(tmp_path / "out.csv")).exit_code == 0


def test_text_that_is_not_utf_8_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    body = pa.array([b"caf\xe9", b"x"]).view(pa.string())
    columns = {"primary_goal": ["cost"] * 2, "note": body}
    for source in (
        parquet(tmp_path / "in.parquet", pa.table(columns)),
        parquet(tmp_path / "in2.parquet", pa.table(columns), use_dictionary=False),
        feather(tmp_path / "in.feather", pa.table(columns)),
    ):
        done = invoke("score", str(source), "-o", str(tmp_path / "out.parquet"))
        assert (done.exit_code, "UTF8" in done.stderr) == (2, True), done.stderr


FUZZ = """
import random, sys
from pathlib import Path
from test_arrow_input import damaged, read
from trivium.portfolio.files import FileError
path, seed = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
body = path.read_bytes()
for _ in range(int(sys.argv[3])):
    broken = body
    for _ in range(seed.choice((1, 1, 4))):
        broken = damaged(broken, seed.randrange(len(body)))
    path.write_bytes(broken)
    try:
        read(path)
    except FileError:
        pass
"""


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
@pytest.mark.parametrize("count", [40, pytest.param(5000, marks=pytest.mark.exhaustive)])
def test_damaged_files_are_errors_and_no_crash(tmp_path: Path, suffix: str, count: int) -> None:
    path = (parquet if suffix == "parquet" else feather)(tmp_path / f"in.{suffix}", table(60))
    folder = Path(__file__).parent
    command = [sys.executable, "-c", FUZZ, str(path), "7", str(count)]
    environment = {"PYTHONPATH": f"{folder}:{folder.parent}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr[-2000:]) == (0, "")


# What is larger than it looks


PEAK = """
import re, sys
from pathlib import Path
from trivium.cli import main
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
import numpy, pyarrow
from trivium.portfolio import columnar
Path("/proc/self/clear_refs").write_text("5")
before = peak()
try:
    main(sys.argv[1:])
except SystemExit as error:
    print(error.code, peak() - before)
"""


def scored(folder: Path, path: Path, target: str) -> tuple[int, int, str]:
    """Score a file in a process of its own: the exit code, the MiB that it took, and what it said."""
    command = [sys.executable, "-c", PEAK, "score", str(path), "-o", str(folder / target), "--columns", "strategy"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code, peak = done.stdout.split()[-2:]
    assert path.stat().st_size < MEBIBYTE
    return int(code), int(peak), done.stderr


@pytest.mark.exhaustive
def test_a_page_that_is_huge_is_not_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "in.parquet", pa.table({"primary_goal": ["cost"], "note": ["x" * (300 * MEBIBYTE)]}))
    code, peak, said = scored(tmp_path, path, "out.parquet")
    assert (code, "has 300 MiB when uncompressed" in said) == (2, True)
    assert peak < 100


@pytest.mark.exhaustive
def test_a_batch_that_is_huge_is_not_read(tmp_path: Path) -> None:
    notes = pa.array(["y" * 100_000] * 12_000, pa.large_string())
    path = feather(tmp_path / "in.feather", pa.table({"primary_goal": ["cost"] * 12_000, "note": notes}), 12_000)
    code, peak, said = scored(tmp_path, path, "out.parquet")
    assert (code, bool(re.search(r"a batch has 1,\d+ MiB when uncompressed", said))) == (2, True)
    assert peak < 100


@pytest.mark.exhaustive
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_a_dictionary_is_spread_out_in_pieces(tmp_path: Path, suffix: str) -> None:
    count = 4000  # of 1 MB each
    columns = {"primary_goal": ["cost"] * count, "note": repeated("x" * 1_000_000, count)}
    path = (parquet if suffix == "parquet" else feather)(tmp_path / f"in.{suffix}", pa.table(columns))
    code, peak, said = scored(tmp_path, path, "out.parquet")
    assert (code, said) == (0, "")
    assert peak < 400
    with (tmp_path / "out.parquet").open("rb") as file:
        assert BatchFile(file, "out", "parquet").rows == count


def test_a_field_of_huge_words_is_rejected_row_by_row(tmp_path: Path) -> None:
    count = 3000
    path = parquet(tmp_path / "in.parquet", pa.table({"primary_goal": repeated("x" * 1_000_000, count)}))
    code, peak, _ = scored(tmp_path, path, "out.parquet")
    assert code == 0
    assert peak < 400
    assert (tmp_path / "out.rejects.csv").read_text("utf-8").count("\n") == count + 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"note": ["y" * 100_000] * 8000}, {"use_dictionary": False, "write_batch_size": 16}),
        (
            {"note": ["y" * 100_000] * 6000},
            {"use_dictionary": False, "column_encoding": {"note": "DELTA_BYTE_ARRAY"}},
        ),
        ({"note": [["z" * 20_000] * 10] * 3000}, {}),
        ({"note": repeated(b"z" * 1_000_000, 3000)}, {}),
        ({"note": pa.array([b"z" * 1_000_000] * 500, pa.binary(1_000_000))}, {"write_batch_size": 16}),
    ],
    ids=["plain", "prefixes", "lists", "bytes", "fixed"],
)
def test_few_rows_are_read_at_once_where_they_are_large(tmp_path: Path, columns: Any, options: Any) -> None:
    count = len(columns["note"])
    path = parquet(tmp_path / "in.parquet", pa.table({"primary_goal": ["cost"] * count, **columns}), **options)
    code, peak, said = scored(tmp_path, path, "out.parquet")
    assert (code, said) == (0, "")
    assert peak < 700
