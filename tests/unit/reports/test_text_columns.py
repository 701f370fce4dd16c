"""Tables in narrow terminals: texts are cut, columns are left out, numbers stay."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from tapehead.reports.terminal_text import TextStyle, render
from tapehead.reports.text_columns import Cell, Column, lay_out, render_rows


def column(title: str, *cells: str, **settings: object) -> Column:
    return Column(title, [Text(cell) for cell in cells], **settings)  # type: ignore[arg-type]


def told(columns: list[Column], width: int) -> list[str]:
    return [line.plain for line in lay_out(columns, width)]


NAMES = column("name", "a long name", "b", least=4)
COUNTS = column("count", "1,234", "7", is_number=True)


def test_with_room_nothing_is_cut() -> None:
    assert told([NAMES, COUNTS], 80) == ["name         count", "a long name  1,234", "b                7"]


def test_texts_are_cut_first() -> None:
    assert told([NAMES, COUNTS], 13) == ["name    count", "a lon…  1,234", "b           7"]


def test_of_several_texts_the_widest_is_cut() -> None:
    assert told([column("a", "short", "", least=2), NAMES], 14)[1] == "short  a long…"


def test_of_a_path_the_end_stays() -> None:
    assert told([NAMES._replace(keeps_end=True)], 6)[1] == "… name"


def test_titles_of_numbers_are_cut_and_numbers_are_not() -> None:
    columns = [column("warnings", "12", is_number=True), column("errors", "123456", is_number=True)]

    assert told(columns, 12) == ["war…  errors", "  12  123456"]
    assert told(columns, 1) == ["war…  errors", "  12  123456"]


@pytest.mark.parametrize(
    ("width", "titles"),
    [(40, ["name", "b", "c", "count"]), (27, ["name", "c", "count"]), (17, ["name", "count"]), (3, ["name", "count"])],
)
def test_columns_are_left_out_by_their_rank(width: int, titles: list[str]) -> None:
    more = [column("b", "x" * 8, "", rank=2), column("c", "y" * 8, "", rank=1)]

    assert told([NAMES, *more, COUNTS], width)[0].split() == titles


def test_wide_characters_take_two_columns() -> None:
    (_, row) = lay_out([column("name", "日本語", least=4), column("n", "1", is_number=True)], 7)

    assert row.cell_len <= 7
    assert row.plain == "日 …  1"


def test_no_rows_are_a_header() -> None:
    assert told([column("name"), column("count", is_number=True)], 80) == ["name  count"]


# ---- Rows that are not all in memory ----

TEXTS = st.text(st.sampled_from("ab ~é日\u0301\u200d\xa0👍\N{REPLACEMENT CHARACTER}"), max_size=12)
SETTINGS = st.builds(
    partial(Column, ""),
    is_number=st.booleans(),
    rank=st.integers(0, 3),
    least=st.sampled_from([0, 3, 8]),
    keeps_end=st.booleans(),
)
STYLES = st.sampled_from(["", "dim", "red", "yellow", "cyan"])


@given(
    columns=st.lists(st.tuples(SETTINGS, st.sampled_from(["a", "title", "wider title"])), min_size=1, max_size=4),
    rows=st.lists(st.lists(st.builds(Cell, TEXTS, STYLES), min_size=4, max_size=4), max_size=5),
    style=st.builds(TextStyle, st.integers(1, 60), st.booleans()),
)
def test_rows_are_rendered_as_rich_renders_them(
    columns: list[tuple[Column, str]], rows: list[list[Cell]], style: TextStyle
) -> None:
    empty = [column._replace(title=title) for column, title in columns]
    empty[0] = empty[0]._replace(rank=0)  # one column stays in all tables
    cut = [row[: len(empty)] for row in rows]
    whole = [column._replace(cells=[Text(*row[place]) for row in cut]) for place, column in enumerate(empty)]

    assert "".join(render_rows(empty, cut, style)) == render(lay_out(whole, style.width), style)


def test_plain_rows_need_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.reports.text_columns.render", None)
    rows = [[Cell("Über"), Cell("1", "red")], [Cell("a long name"), Cell("12", "dim")]]
    columns = [Column("name", least=6), Column("n", is_number=True)]

    assert "".join(render_rows(columns, rows, TextStyle(12))) == "name       n\nÜber       1\na long …  12\n"
