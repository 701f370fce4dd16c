"""Files from strangers take bounded memory and time: packed, without end, as devices or pipes, for every reader."""

import gzip
import os
import sys
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import zstandard
from msgspec import structs

from support.har_files import entry, har
from support.paths import RECORDINGS_FOLDER
from support.processes import run_program
from support.processor_time import least_processor_seconds
from support.sessions import make_exchange
from tapehead.cli import config_search
from tapehead.errors import RecordingError, UsageError
from tapehead.interop.reader import read_recordings
from tapehead.protocol.exchange import encode
from tapehead.protocol.messages import Response
from tapehead.protocol.routes import Call
from tapehead.recording.recording_file import RecordingFile

RECORDING = RECORDINGS_FOLDER / "timeline-1.jsonl"
MEGABYTE, GIGABYTE = 10**6, 10**9
# The address space of a command, of which Python and libraries take about a third.
MOST_MEMORY = 1_500 * MEGABYTE
LIMITED = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, ({MOST_MEMORY}, {MOST_MEMORY}))
from tapehead.__main__ import main
main()
"""
HAR_START = b'{"log":{"entries":['


def run_limited(*arguments: object, cwd: Path, data: bytes = b"") -> tuple[int, str]:
    """Run a command with little memory; its exit code, and its lines on stderr, none of which is a traceback."""
    done = run_program(sys.executable, "-c", LIMITED, *arguments, cwd=cwd, data=data)
    assert "Traceback" not in done.stderr
    assert "MemoryError" not in done.stderr
    return done.returncode, done.stderr


def zstd_of(content: bytes, times: int) -> bytes:
    """Content again and again, packed in frames of a gigabyte at most."""
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join(packer.compress(content) for _ in range(times)) + packer.flush()


def gzip_of(content: bytes, times: int, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return b"".join(packer.compress(content) for _ in range(times)) + packer.flush()


def zip_of(path: Path, members: int, size: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(members):
            with archive.open(f"{number}.har", "w") as member:
                for _ in range(size // MEGABYTE):
                    member.write(bytes(MEGABYTE))


LINES = RECORDING.read_bytes()
ZEROS, BLANKS, BREAKS = bytes(MEGABYTE), b" " * MEGABYTE, b"\n" * MEGABYTE
PACKED: dict[str, Callable[[], bytes]] = {
    "zeros.jsonl.zst": lambda: zstd_of(ZEROS, 1000),
    "blanks.jsonl.zst": lambda: zstd_of(BLANKS, 1000),
    "breaks.jsonl.zst": lambda: zstd_of(BREAKS, 300),
    "string.jsonl.zst": lambda: zstd_of(b'{"tapehead":2,"started":"', 1) + zstd_of(ZEROS, 1000),
    "spread.jsonl.zst": lambda: zstd_of(b'{\n "tapehead": 2,\n "started": "', 1) + zstd_of(b"a" * MEGABYTE, 1000),
    "array.jsonl.zst": lambda: zstd_of(b"[" + BLANKS, 1000),
    "numbers.jsonl.zst": lambda: zstd_of(b"[" + b"1," * 500_000, 1000),
    "har.har.zst": lambda: zstd_of(HAR_START, 1) + zstd_of(BLANKS, 1000),
    "har.har.gz": lambda: gzip_of(HAR_START, 1) + gzip_of(BLANKS, 400),
    "har.zhar": lambda: zlib.compress(HAR_START + b" " * (300 * MEGABYTE)),
    "entries.har.gz": lambda: gzip.compress(HAR_START + b"{}," * 60_000_000 + b"{}]}}", 1),
    "flows.gz": lambda: gzip_of(b"999999999999:" + ZEROS, 300),
}


@pytest.mark.parametrize("name", PACKED)
def test_a_packed_file_is_read_in_little_memory(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(PACKED[name]())
    assert (tmp_path / name).stat().st_size < 4 * MEGABYTE

    code, told = run_limited("audit", name, cwd=tmp_path)
    assert code == 2
    assert name in told


def test_a_zip_file_is_read_in_little_memory(tmp_path: Path) -> None:
    zip_of(tmp_path / "a.zip", 1, 300 * MEGABYTE)

    code, told = run_limited("audit", "a.zip", cwd=tmp_path)
    assert code == 2
    assert "a.zip/0.har' is damaged, or larger than 268,435,456 bytes" in told


def test_a_zip_file_that_lies_about_its_size_is_read_in_little_memory(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=-15)
    piece = packer.compress(BLANKS) + packer.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.har", piece * 1500 + packer.flush())
    content = bytearray((tmp_path / "a.zip").read_bytes())
    entry_at = content.rindex(b"PK\x01\x02")
    content[8] = content[entry_at + 10] = zipfile.ZIP_DEFLATED
    content[entry_at + 24 : entry_at + 28] = (1000).to_bytes(4, "little")  # the size of the content
    (tmp_path / "a.zip").write_bytes(content)

    code, told = run_limited("audit", "a.zip", cwd=tmp_path)
    assert code == 2
    assert "its JSON ends in the middle, after 1,000 bytes" in told


def test_a_recording_of_a_large_body_is_read_to_its_end(tmp_path: Path) -> None:
    """However small it is when packed, as tapehead packs it."""
    large = make_exchange("/api/v1/sessions/abc/events", b'{"eventType":"' + b"a" * (40 * MEGABYTE) + b'"}')
    line = encode(make_exchange("/api/v1/sessions/abc/events", b"{}"))
    with RecordingFile(tmp_path / "a.jsonl.zst") as file:
        for lines in ([encode(large)], [line], [line]):
            file.append(lines)
    assert (tmp_path / "a.jsonl.zst").stat().st_size < MEGABYTE / 50

    assert len(list(read_recordings([tmp_path / "a.jsonl.zst"]))) == 3
    with RecordingFile(tmp_path / "a.jsonl.zst", append=True) as file:
        file.append([line])
    assert len(list(read_recordings([tmp_path / "a.jsonl.zst"]))) == 4


def test_the_parts_of_a_zip_file_are_bounded_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tapehead.interop.detect.MOST_OF_MEMBERS", 5 * MEGABYTE)
    zip_of(tmp_path / "a.zip", 3, 2 * MEGABYTE)

    with pytest.raises(RecordingError, match=r"a\.zip' unpacks to more than 5,000,000 bytes; save less"):
        list(read_recordings([tmp_path / "a.zip"]))


def test_a_body_that_is_named_again_and_again_is_no_multiple_in_memory(tmp_path: Path) -> None:
    call = entry(body=None, request={"postData": {"mimeType": "text/plain", "_file": "body.txt"}})
    (tmp_path / "body.txt").write_bytes(b"a" * (20 * MEGABYTE))
    (tmp_path / "a.har").write_bytes(har(*[call] * 200))

    code, told = run_limited("import", "a.har", "--out", "out.jsonl", cwd=tmp_path)
    assert code == 2
    assert "have more than 536,870,912 bytes; read fewer files at once" in told
    assert not (tmp_path / "out.jsonl").exists()


def test_a_line_that_is_too_long_hides_no_other(tmp_path: Path) -> None:
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(LINES)
        file.seek(400 * MEGABYTE, os.SEEK_CUR)  # a hole
        file.write(b"\n" + LINES)

    code, told = run_limited("audit", "a.jsonl", cwd=tmp_path)
    assert code == 0
    assert told == "tapehead: a.jsonl:28: skipped, longer than 100,000,000 bytes\n"


@pytest.mark.parametrize("command", [["audit"], ["show"], ["import", "--out", "out.jsonl"]])
def test_input_without_end_ends_the_reading(command: list[str], tmp_path: Path) -> None:
    code, told = run_limited(*command, "/dev/zero", cwd=tmp_path)

    assert code == 2
    assert "/dev/zero" in told
    assert len(told.splitlines()) <= 2


def holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(4 * GIGABYTE)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


UNUSABLE: dict[str, Callable[[Path], None]] = {"large": holes, "pipe": os.mkfifo, "device": device}
OPTIONS: dict[str, list[str]] = {
    "settings": ["audit", str(RECORDING), "--config", "file"],
    "settings of replay": ["replay", str(RECORDING), "--config", "file"],
    "schemas": ["audit", str(RECORDING), "--expect", "file"],
    "one schema": ["audit", str(RECORDING), "--expect", "ping=file"],
    "schemas in settings": ["audit", str(RECORDING), "--config", "a.toml"],
    "baseline": ["audit", str(RECORDING), "--baseline", "file"],
    "new baseline": ["audit", str(RECORDING), "--baseline", "file", "--write-baseline"],
    "logins": ["record", "--mode", "regular", "--proxyauth", "@file", "--out", "out.jsonl"],
}


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_for_an_option_is_a_small_regular_one(option: str, kind: str, tmp_path: Path) -> None:
    UNUSABLE[kind](tmp_path / "file")
    (tmp_path / "a.toml").write_text('expect = "file"')

    code, told = run_limited(*OPTIONS[option], cwd=tmp_path)
    assert code == 2
    (line,) = told.splitlines()
    assert "is larger than" in line if kind == "large" else "is not a regular file" in line
    assert not (tmp_path / "out.jsonl").exists()


def test_stored_schemas_are_bounded_together(tmp_path: Path) -> None:
    """Schemas that are found beside a recording, of which nobody named the file."""
    body = b'{"x":"' + b"a" * MEGABYTE + b'"}'
    call = make_exchange("/api/v1/schemas/play", b"", call=Call.SCHEMA, sid=None)
    served = structs.replace(call, response=Response(status=200, headers=[]).with_content(body))
    (tmp_path / "a.jsonl").write_bytes(LINES)
    (tmp_path / "schemas.jsonl").write_bytes(encode(served) * 51)

    code, told = run_limited("audit", "a.jsonl", cwd=tmp_path)
    assert code == 0
    assert told.startswith("tapehead: stored schemas are not used: 'schemas.jsonl' has more than 1,000 schemas or ")


# ---- Time ----

TOML: dict[str, Callable[[int], str]] = {
    "one key": lambda size: ".".join("a" * (size // 2)) + "=1",
    "one key in quotes": lambda size: ".".join(['"a"'] * (size // 4)) + "=1",
    "one key of escaped quotes": lambda size: ".".join([r'"\""'] * (size // 5)) + "=1",
    "one key of escaped backslashes": lambda size: ".".join([r'"\\"'] * (size // 5)) + "=1",
    "one key with blanks": lambda size: " . ".join("a" * (size // 4)) + "=1",
    "one table": lambda size: f"[{'.'.join('a' * (size // 2))}]",
    "one table in an array": lambda size: f"[[{'.'.join(["'a'"] * (size // 4))}]]",
    "one key in a table": lambda size: f"a={{{'.'.join('a' * (size // 2))}=1}}",
    "keys of many parts": lambda size: "".join(f"{'a.' * 30}k{number}=1\n" for number in range(size // 70)),
    "tables": lambda size: "[[a]]\n" * (size // 6),
    "a string never closed": lambda size: 'a="' + r"\"" * (size // 2),
    "quotes never closed": lambda size: "a='''\n" + " ' \\\"" * (size // 5),
}


@pytest.mark.parametrize("shape", TOML)
def test_settings_take_time_in_proportion_to_their_size(shape: str, tmp_path: Path) -> None:
    def read(path: Path) -> None:
        with suppress(UsageError):
            config_search.find_table(path)

    took = []
    for size in (50_000, 200_000):
        path = tmp_path / f"{size}.toml"
        path.write_text(TOML[shape](size))
        took.append(least_processor_seconds(partial(read, path)))

    # Four times the size; sixteen times the time would be its square.
    assert took[1] < 8 * took[0] + 0.05


def test_keys_of_some_parts_are_read(tmp_path: Path) -> None:
    text = ".".join(["a"] * 20) + ' = 1\nb = "' + "x." * 100 + '" # ' + "y. " * 20 + '\n"c\\"d".e = 2\n'
    (tmp_path / "a.toml").write_text(text)

    assert config_search.find_table(tmp_path / "a.toml")[1] == tomllib.loads(text)
