"""Files are read whatever wrote them, and nothing in them is lost or run."""

import codecs
import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trivium.portfolio.files import (
    MOST_LINE,
    READERS,
    FileError,
    Row,
    guarded,
    make_writer,
    unguarded,
)
from trivium.portfolio.paths import found_files, sniffed


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


def read(kind: str, body: bytes) -> tuple[list[str] | None, list[Row]]:
    table = READERS[kind](io.BytesIO(body), "a.file")
    return table.names, list(table.rows)


@given(
    st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([("csv", ","), ("csv", ";"), ("csv", "\t"), ("tsv", "\t")]),
)
def test_tables_of_any_dialect_are_read_cell_for_cell(
    rows: list[list[str]], end: str, encoding: str, form: tuple[str, str]
) -> None:
    text = io.StringIO()
    write = csv.writer(text, delimiter=form[1], lineterminator=end, quoting=csv.QUOTE_ALL)
    write.writerows([["id", "note"], *rows])
    names, found = read(form[0], text.getvalue().encode(encoding))
    assert names == ["id", "note"]
    kept = [(at, row) for at, row in enumerate(rows, 2) if any(cell.strip() for cell in row)]
    assert [(row.number, list(row.cells.values())) for row in found] == [
        (at, [unguarded(cell) for cell in row]) for at, row in kept
    ]
    assert not any(row.problem for row in found)


def test_lines_may_end_in_different_ways() -> None:
    names, found = read("csv", b"id,note\r\na,1\nb,2\rc,3\r\n\r\nd,4")
    assert names == ["id", "note"]
    assert [(row.number, row.cells["id"]) for row in found] == [(2, "a"), (3, "b"), (4, "c"), (6, "d")]


def test_rows_that_are_no_rows_are_told_and_others_go_on() -> None:
    _, found = read("csv", b'id,note\na\n"b"x,1\nc,1,2\nd,1,\ne,1\n')
    assert [(row.number, bool(row.problem)) for row in found] == [
        (2, True),
        (3, True),
        (4, True),
        (5, False),
        (6, False),
    ]
    _, found = read("ndjson", b'{"id": "a"}\n[]\n{"id"\n\n' + b"[" * 100_000 + b'\n{"id": "b"}')
    assert [(row.number, bool(row.problem)) for row in found] == [
        (1, False),
        (2, True),
        (3, True),
        (5, True),
        (6, False),
    ]


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("csv", b"", "the file is empty"),
        ("csv", b"\n \n", "the file is empty"),
        ("ndjson", b"\n", "the file is empty"),
        ("json", b" ", "the file is empty"),
        ("json", b"{", "not JSON"),
        ("json", b"{}", "expected an array of objects"),
        ("csv", b"id,note\nok,1\ncaf\xe9,2\n", "line 3 is not UTF-8"),
        ("csv", b"id\n" + b"a\n" * 100_000 + b"\xff\n", "line 100002 is not UTF-8"),
        ("ndjson", b'{"id": "\xff"}', "line 1 is not UTF-8"),
        ("csv", codecs.BOM_UTF16_LE + "id\na".encode("utf-16-le") + b"\0", "line 2 is not UTF-16"),
        ("csv", "id,note\na,1\n".encode("utf-16-le"), "null characters"),
        ("csv", b'id,note\na,"1\nb,2\n', "row 2: a quotation mark is not closed"),
        ("csv", b"id\n" + b"x" * (MOST_LINE + 100_000), "line 2 has more than 1,048,576 characters"),
        ("csv", b'id\n"' + b"x\n" * MOST_LINE, "row 2: a quotation mark is not closed"),
    ],
)
def test_a_file_that_is_damaged_is_refused_with_its_place(kind: str, body: bytes, says: str) -> None:
    with pytest.raises(FileError) as found:
        read(kind, body)
    assert str(found.value).startswith("a.file: ")
    assert says in str(found.value)


def test_columns_without_a_name_are_called_after_their_place() -> None:
    names, found = read("csv", b"id,,note,,\na,b,c,,\n")
    assert names == ["id", "column_2", "note"]
    assert found[0].cells == {"id": "a", "column_2": "b", "note": "c"}


def test_costs_are_spread_over_columns() -> None:
    _, found = read("json", b'{"profiles": [{"id": "a", "costs": {"model": "x", "runs": 2}}, 7]}')
    assert found[0].cells == {"id": "a", "costs.model": "x", "costs.runs": 2}
    assert found[1].problem


@given(st.lists(cells, min_size=1, max_size=4), st.sampled_from(["csv", "tsv"]))
def test_no_cell_of_a_table_begins_a_formula(values: list[str], kind: str) -> None:
    names = [f"c{at}" for at in range(len(values))]
    text = io.StringIO()
    make_writer(kind, text, names).write(dict(zip(names, values, strict=True)))
    _, row, *_ = csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter="\t" if kind == "tsv" else ",")
    for value, written in zip(values, row, strict=False):
        assert written in {value, f"'{value}"}
        assert written.lstrip()[:1] not in set("=@\t\r") or written[:1] == "'"


formulas = st.tuples(st.text("' \t", max_size=3), st.sampled_from(["-", "=", "+1", "-2", "@a", "x", ""])).map("".join)


@given(st.lists(cells | formulas, min_size=1, max_size=4), st.sampled_from(["csv", "tsv"]))
@example(["-", "'-", "=1+1", "'=1+1"], "csv")
def test_what_is_written_to_a_table_reads_back_the_same(values: list[str], kind: str) -> None:
    names = [f"=c{at}" for at in range(len(values))]
    text = io.StringIO()
    make_writer(kind, text, ["id", *names]).write({"id": "a", **dict(zip(names, values, strict=True))})
    found, (row,) = read(kind, text.getvalue().encode())
    assert found == ["id", *names]
    assert list(row.cells.values()) == ["a", *values]


@pytest.mark.parametrize("kind", ["csv", "tsv"])
@pytest.mark.parametrize("empty", [",,", " , ,", '"",,""', ",,,,"])
def test_rows_of_empty_cells_are_skipped_as_empty_lines_are(kind: str, empty: str) -> None:
    body = f"id,note,x\na,1,\n{empty}\n\n{empty}\nb,,\n{empty}"
    _, found = read(kind, body.replace(",", "\t" if kind == "tsv" else ",").encode())
    assert [(row.number, row.cells["id"], row.problem) for row in found] == [(2, "a", ""), (6, "b", "")]


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r=1", "\N{FULLWIDTH EQUALS SIGN}1"]
)
def test_formulas_are_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+1.5", "-1,000", "1=2", "a@b", "", "-3e5", "-", "'a'"])
def test_what_is_no_formula_stays(text: str) -> None:
    assert guarded(text) == text


@given(st.lists(st.dictionaries(cells, st.none() | st.booleans() | st.integers(-9, 9) | cells, max_size=3), max_size=3))
def test_json_is_written_as_it_is_read(rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    write = make_writer("json", text, [])
    for row in rows:
        write.write(row)
    write.close()
    assert msgspec.json.decode(text.getvalue()) == rows


def test_a_stream_says_what_it_is() -> None:
    assert [sniffed(start) for start in (b' {"a"', b"\n[", b"id,note", b"", b"\xef\xbb\xbf{")] == [
        *("ndjson", "json", "csv", "csv", "ndjson")
    ]


def test_patterns_and_directories_name_each_file_once(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "notes.txt", "in/c.ndjson", ".hidden/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("id\n1\n", "utf-8")
    every = [tmp_path / name for name in ("a.csv", "b.csv", "in/c.ndjson")]
    assert found_files([str(tmp_path)]) == every
    assert found_files([f"{tmp_path}/*.csv", str(tmp_path / "a.csv")]) == every[:2]
    for missing in ("x.csv", "*.tsv"):
        with pytest.raises(FileError, match="there is no such file"):
            found_files([str(tmp_path / missing)])
