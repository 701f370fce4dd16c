"""Recordings as other tools rewrite them: with byte order marks, in UTF-16, as arrays, over several lines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from support.exchanges import opened, sent, start
from tapehead.errors import RecordingError
from tapehead.protocol.exchange import Entry, Exchange, encode
from tapehead.recording.documents import exchange_lines
from tapehead.recording.format_versions import BadLine
from tapehead.recording.reader import read_recording
from tapehead.recording.recording_file import RecordingFile

EXCHANGES = [opened("s1", start()), sent("s1", {"eventType": "ping", "x": 'ü"\\[{}]\n'}, 1), sent("s1", "[", 2)]
LINES = b"".join(map(encode, EXCHANGES))
VALUES = [json.loads(line) for line in LINES.splitlines()]

FORMS: dict[str, Callable[[list[Any]], str]] = {
    "lines": lambda values: LINES.decode(),
    "lines without an end": lambda values: LINES.decode().rstrip("\n"),
    "lines of Windows": lambda values: LINES.decode().replace("\n", "\r\n"),
    "array": json.dumps,
    "array over lines": lambda values: json.dumps(values, indent=2),
    "array of lines": lambda values: "[\n" + ",\n".join(map(json.dumps, values)) + "\n]\n",
    "objects over lines": lambda values: "\n".join(json.dumps(value, indent=1) for value in values),
    "after blank lines": lambda values: "\n \n" + json.dumps(values, indent=1, ensure_ascii=False),
}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "le without a mark", "be without a mark"]


def encoded(text: str, encoding: str) -> bytes:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    if encoding.endswith("without a mark"):
        return text.lstrip().encode(f"utf-16-{encoding[:2]}")
    return (mark + text).encode(encoding)


def bare(exchange: Exchange) -> tuple[object, ...]:
    return exchange.started, exchange.session, exchange.request.json(), exchange.response and exchange.response.status


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_form_is_read(tmp_path: Path, form: str, encoding: str, packed: bool) -> None:
    data = encoded(FORMS[form](VALUES), encoding)
    path = tmp_path / "a.jsonl"
    path.write_bytes(zstandard.ZstdCompressor().compress(data) if packed else data)
    items = list(read_recording(path))

    assert [bare(item.exchange) for item in items if isinstance(item, Entry)] == list(map(bare, EXCHANGES))
    assert len(items) == len(EXCHANGES)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_chunks_of_any_size_give_the_same_lines(form: str, encoding: str, size: int) -> None:
    data = encoded(FORMS[form](VALUES), encoding)
    lines = list(filter(None, exchange_lines(data[at : at + size] for at in range(0, len(data), size))))

    assert lines == list(exchange_lines([data]))
    assert [json.loads(line) for line in lines if line.strip()] == VALUES
    assert all(line.count(b"\n") <= 1 for line in lines)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"[]", []),
        (b"[1, 2]", [b"1, 2\n"]),
        (b'[{"a":1},{"b"', [b'{"a":1}\n', b'{"b"']),
        (b'[{"a":1}, 5, {"b":2}]x', [b'{"a":1}\n', b"5\n", b'{"b":2}\n', b"x\n"]),
        (b"[[1],{}]", [b"[1]\n", b"{}\n"]),
        (b'{\n"a": 1.0\n}}', [b'{"a":1.0}\n', b"}\n"]),
        (b'{\n"a":"\\', [b'{\n"a":"\\']),
        (b'{\n{"a":1}\n', [b"{\n", b'{"a":1}\n']),
        (b"", []),
    ],
)
def test_what_is_no_exchange_is_not_swallowed(data: bytes, lines: list[bytes]) -> None:
    assert list(exchange_lines([data])) == lines


def test_an_array_that_is_cut_short_keeps_the_exchanges_before(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(VALUES).encode()[:-40])
    first, second, third = read_recording(path)

    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert third == BadLine(3, "a write cut short", torn=True)


def test_numbers_keep_their_spelling(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    body = b'"body": {"ts": 1795399200000.0, "n": 12345678901234567890123}'
    path.write_bytes(b"[\n" + encode(EXCHANGES[1]).replace(b'"body":', b"%b, \n" % body + b'"x":') + b"]")
    (item,) = read_recording(path)

    assert isinstance(item, Entry)
    assert bytes(item.exchange.request.body) == b'{"ts":1795399200000.0,"n":12345678901234567890123}'


@pytest.mark.parametrize("form", ["array", "array over lines", "objects over lines"])
def test_nothing_is_added_to_what_is_not_lines(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(FORMS[form](VALUES))
    with pytest.raises(RecordingError, match=r"a\.jsonl' is not JSON Lines in UTF-8, so nothing can be added to it"):
        RecordingFile(path, append=True)


def test_nothing_is_added_to_utf_16_and_lines_are_to_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES.decode().encode("utf-16"))
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + LINES)
    with pytest.raises(RecordingError, match="is not JSON Lines in UTF-8"):
        RecordingFile(tmp_path / "a.jsonl", append=True)
    with RecordingFile(tmp_path / "b.jsonl", append=True) as file:
        file.append([encode(EXCHANGES[0])])

    assert len(list(read_recording(tmp_path / "b.jsonl"))) == 4


@pytest.mark.parametrize("text", ['{"log":{"entries":[]}}', '{"log":{"entries":[', '{"x":1}', "text"])
def test_nothing_is_added_to_other_json_on_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text)
    with pytest.raises(RecordingError, match=r"a\.jsonl' is not a recording; name another file"):
        RecordingFile(path, append=True)

    assert path.read_text() == text
