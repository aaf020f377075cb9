"""Excel workbooks are read as any other table, what they could hide is refused, and the template is read back."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from cli.conftest import Invoke, run_without
from trivium.portfolio.columns import TARGETS
from trivium.portfolio.excel import ExcelWriter, read_excel
from trivium.portfolio.files import FileError


pytest_plugins = ["cli.conftest"]

values = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(st.characters(codec="utf-8"), max_size=9)


def made(fill: Callable[[Any, Any], object]) -> bytes:
    """Return a workbook whose first sheet a function fills."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"strings_to_formulas": False}) as book:
        fill(book, book.add_worksheet())
    return file.getvalue()


def rows(*lines: tuple[Any, ...]) -> bytes:
    def fill(_: Any, sheet: Any) -> None:
        for number, line in enumerate(lines):
            sheet.write_row(number, 0, line)

    return made(fill)


@given(st.lists(st.tuples(values, values), min_size=1, max_size=4))
def test_what_is_written_is_read(lines: list[tuple[Any, Any]]) -> None:
    file = io.BytesIO()
    write = ExcelWriter(file, ["id", "=note"])
    for line in lines:
        write.write(dict(zip(["id", "=note"], line, strict=True)))
    write.close()
    table = read_excel(file, "a.xlsx")
    assert table.names == ["id", "=note"]
    kept = [["" if cell is None else cell for cell in line] for line in lines]
    assert [list(row.cells.values()) for row in table.rows] == [line for line in kept if line != ["", ""]]


def test_a_workbook_is_scored_as_the_same_table(invoke: Invoke, tmp_path: Path) -> None:
    lines: list[tuple[Any, ...]] = [
        ("id", "Requests per day", "Citations required", "Knowledge need"),
        ("a", 5000, True, "changing facts"),
        (17, "10k", "yes", None),
        ("c", "many", None, "none"),
    ]
    (tmp_path / "in.xlsx").write_bytes(rows(*lines))
    text = "\n".join(",".join("" if cell is None else str(cell) for cell in line) for line in lines)
    (tmp_path / "in.csv").write_text(text, "utf-8")
    found = [invoke("score", str(tmp_path / f"in.{kind}"), "-o", "-", "--write", "csv") for kind in ("xlsx", "csv")]
    assert [done.exit_code for done in found] == [0, 0]
    scored = [[line.split(",")[4:] for line in done.stdout.splitlines()[:4]] for done in found]
    assert scored[0] == scored[1]
    assert invoke("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.xlsx")).exit_code == 0
    with (tmp_path / "out.xlsx").open("rb") as file:
        table = read_excel(file, "out.xlsx")
        assert table.names == [*lines[0], "strategy", "status", "codes", "first_question", "policy_version", "error"]
        assert [row.cells["strategy"] for row in table.rows] == [line[0] for line in scored[0][1:]]


def test_rows_are_counted_as_the_sheet_shows_them() -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.write_row(2, 1, ("id", "note"))
        sheet.write_row(3, 1, ("a", 1.5))
        sheet.write_row(6, 1, ("b",))
        sheet.write_formula(6, 2, "=1+1", None, 2)

    table = read_excel(io.BytesIO(made(fill)), "a.xlsx")
    assert [(row.number, row.cells) for row in table.rows] == [
        (4, {"id": "a", "note": 1.5}),
        (7, {"id": "b", "note": 2}),
    ]


def test_the_first_sheet_that_can_be_seen_is_read() -> None:
    def fill(book: Any, sheet: Any) -> None:
        sheet.hide()
        sheet.write_formula(0, 0, "=1/0", None, "#DIV/0!")
        seen = book.add_worksheet()
        seen.activate()
        seen.set_first_sheet()
        seen.write_row(0, 0, ("id", "note"))
        seen.write_row(1, 0, ("a", "b"))

    assert [row.cells["id"] for row in read_excel(io.BytesIO(made(fill)), "a.xlsx").rows] == ["a"]


def bomb() -> bytes:
    """Return a small workbook with a part of a gigabyte."""
    file = io.BytesIO(rows(("id",), ("a",)))
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/big.xml", "w") as part:
        for _ in range(1024):
            part.write(b" " * (1 << 20))
    return file.getvalue()


def with_part(name: str, body: bytes) -> bytes:
    """Return a workbook with one of its parts replaced."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(rows(("id",), ("a",)))) as old, zipfile.ZipFile(file, "w") as new:
        for one in old.namelist():
            new.writestr(one, body if one == name else old.read(one))
    return file.getvalue()


GOOD = rows(("id",), ("a",))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no Excel workbook"),
        (b"PK\x03\x04", "no Excel workbook"),
        (b"id,note\n1,2\n", "no Excel workbook"),
        (GOOD[: len(GOOD) // 2], "no Excel workbook"),
        (GOOD[:200] + b"\0" * 20 + GOOD[220:], "damaged"),
        (bomb(), "more than 512 MiB"),
        (with_part("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row>"), "cannot be read|is empty"),
        (with_part("xl/workbook.xml", b"<workbook/>"), "cannot be read"),
        (made(lambda *_: None), "the first sheet is empty"),
        (
            made(lambda _, sheet: sheet.write(0, 0, "id") or sheet.write(1_048_575, 16_383, 1)),
            "more than 5,000,000 cells",
        ),
        (made(lambda _, sheet: sheet.write_formula(3, 2, "=1/0", None, "#DIV/0!")), "cell C4 is an error"),
        (made(lambda _, sheet: sheet.write_formula(3, 2, "=1+1", None, "")), "cell C4 has a formula without a result"),
    ],
)
def test_a_workbook_that_cannot_be_trusted_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(FileError, match=says) as found:
        list(read_excel(io.BytesIO(body), "a.xlsx").rows)
    assert str(found.value).startswith("a.xlsx: ")


def test_what_does_not_fit_is_not_cut_off(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(f"id,note\na,{'x' * 40_000}\n", "utf-8")
    done = invoke("score", str(tmp_path / "in.csv"), "-o", str(tmp_path / "out.xlsx"))
    assert (done.exit_code, done.stderr) == (2, "Error: row 2: `note` is too long for a cell; write CSV\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_the_template_has_every_field_and_is_read_back(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "portfolio.xlsx"
    assert invoke("template", str(file)).exit_code == 0
    shown = json.loads(invoke("score", str(file), "--dry-run").stdout)["columns"]
    assert shown == [{"column": name, "field": name} for name in TARGETS]
    assert "there are columns and no rows" in invoke("score", str(file)).stderr
    with zipfile.ZipFile(file) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    for target in TARGETS.values():
        if target.kind == "choice":
            assert f"&quot;{','.join(target.choices)}&quot;" in sheet or f'"{",".join(target.choices)}"' in sheet
    again = invoke("template", str(file))
    assert (again.exit_code, "exists" in again.stderr) == (2, True)
    assert invoke("template", str(tmp_path / "a.csv")).exit_code == 2
    assert invoke("template", str(tmp_path / "none" / "a.xlsx")).exit_code == 2


@pytest.mark.parametrize(
    "arguments", [("template", "new.xlsx"), ("score", "in.xlsx"), ("score", "in.csv", "-o", "out.xlsx")]
)
def test_without_the_extra_the_error_names_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "in.xlsx").write_bytes(GOOD)
    (tmp_path / "in.csv").write_text("id\n1\n", "utf-8")
    done = run_without(["xlsxwriter", "python_calamine"], arguments, tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith("pip install '.[excel]'\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "in.xlsx"]
