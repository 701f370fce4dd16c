"""Bodies that Playwright has stored beside a HAR or with it in a zip file, and no other files."""

import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

import tapehead
from support.exchanges import session
from support.har_files import har_of
from tapehead.cli.app import run

CALLS = session("s1", [(1, 0, "play", {}), (9, 8, "ping", {}), (12, 11, "sessionComplete", {})])
BODIES = [call.request.content() for call in CALLS]
SECRET = b'{"eventType":"a secret"}'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def attached(name: str | None = None) -> tuple[bytes, dict[str, bytes]]:
    """Return a HAR as Playwright saves it with `content: attach`, and its files; `name` replaces that of all files."""
    made: dict[str, Any] = orjson.loads(har_of(CALLS))
    files = {f"{hashlib.sha1(body).hexdigest()}.json": body for body in BODIES}
    for each, file in zip(made["log"]["entries"], files, strict=True):
        each["request"]["postData"] = {"mimeType": "application/json", "_file": name or file, "params": [], "text": ""}
        each["request"]["bodySize"] = 100
    return orjson.dumps(made), files


def zipped(har: bytes, files: dict[str, bytes], folder: str = "") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in {"har.har": har, **files}.items():
            archive.writestr(folder + name, data)
    return packed.getvalue()


def bodies(path: str) -> tuple[list[bytes], list[str]]:
    """Return the bodies of requests in a file, and the warnings."""
    lines: list[str] = []
    entries = list(tapehead.read_recordings([path], warn=lines.append))
    assert len(entries) == len(CALLS)
    return [entry.exchange.request.content() for entry in entries], lines


def event_types(found: list[bytes]) -> list[str]:
    return [orjson.loads(body)["eventType"] if body else "" for body in found]


TYPES = ["sessionStart", "play", "ping", "sessionComplete"]
LOST = ["the exporter did not save 4 bodies; those calls are read without; record with tapehead"]


def test_bodies_in_the_folder_are_read_and_not_named_as_other_files(here: Path) -> None:
    har, files = attached()
    for name, data in {"a.har": har, **files}.items():
        Path(name).write_bytes(data)

    for given in ("a.har", str(here)):
        found, lines = bodies(given)
        assert (event_types(found), lines) == (TYPES, [])


def test_bodies_in_a_folder_below_are_read() -> None:
    har, _ = attached("bodies/x.json")
    Path("a.har").write_bytes(har)
    Path("bodies").mkdir()
    Path("bodies/x.json").write_bytes(BODIES[2])

    assert bodies("a.har") == ([BODIES[2]] * 4, [])


@pytest.mark.parametrize("folder", ["", "deep/"])
def test_bodies_in_a_zip_file_are_read(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.zip").write_bytes(zipped(*attached(), folder))
    found, lines = bodies("a.zip")

    assert (event_types(found), lines) == (TYPES, [])
    assert run(["import", "a.zip", "--out", "out.jsonl"]) == 0
    assert capsys.readouterr().err == ""
    assert event_types(bodies("out.jsonl")[0]) == TYPES
    assert {each.exchange.source for each in tapehead.read_recordings(["out.jsonl"])} == {f"a.zip/{folder}har.har"}


def test_a_zip_file_may_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    buffered = io.BufferedReader(io.BytesIO(zipped(*attached())))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffered))

    assert event_types(bodies("-")[0]) == TYPES


def test_the_har_files_of_a_zip_file_are_all_read() -> None:
    har, files = attached()
    two = {"two.har": har_of(session("s2", [(1, 0, "play", {})], began=50))}
    Path("a.zip").write_bytes(zipped(har, files | two))
    entries = list(tapehead.read_recordings(["a.zip"]))

    assert [entry.exchange.session for entry in entries] == ["s1"] * 4 + ["s2"] * 2
    assert len({entry.line for entry in entries}) == 6


def test_a_wrong_checksum_is_told_and_loses_nothing() -> None:
    data = zipped(*attached())
    Path("a.zip").write_bytes(data.replace(b"sample-player", b"masked-player"))
    found, lines = bodies("a.zip")

    assert event_types(found) == TYPES
    assert lines[0].startswith("a.zip: 1 file with a wrong checksum (")
    assert lines[0].endswith(".json), used all the same")


# ---- What is not read ----


@pytest.mark.parametrize("absolute", [False, True])
def test_no_path_leads_out_of_the_folder(here: Path, absolute: bool) -> None:
    outside = here.parent / "secret.json"
    outside.write_bytes(SECRET)
    Path("a.har").write_bytes(attached(str(outside) if absolute else "../secret.json")[0])

    assert bodies("a.har") == ([b""] * 4, LOST)


@pytest.mark.parametrize("name", ["link.json", "folder/secret.json"])
def test_no_link_leads_out_of_the_folder(here: Path, name: str) -> None:
    (here.parent / "secret.json").write_bytes(SECRET)
    Path("link.json").symlink_to(here.parent / "secret.json")
    Path("folder").symlink_to(here.parent)
    Path("a.har").write_bytes(attached(name)[0])

    assert bodies("a.har") == ([b""] * 4, LOST)


@pytest.mark.parametrize("name", ["../secret.json", "/secret.json", "none.json", "", "a\0b", "..", "."])
def test_a_member_that_is_not_there_is_a_body_that_was_lost(here: Path, name: str) -> None:
    Path("secret.json").write_bytes(SECRET)
    har, files = attached(name or "\0")
    Path("a.zip").write_bytes(zipped(har, files))

    assert bodies("a.zip") == ([b""] * 4, LOST)


def test_a_pipe_is_no_body(here: Path) -> None:
    os.mkfifo("x.json")
    Path("a.har").write_bytes(attached("x.json")[0])

    assert bodies("a.har") == ([b""] * 4, LOST)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped(b"", {})[:-30], "a.zip' is a damaged zip file; save it again"),
        (b"PK\x03\x04", "a.zip' is a damaged zip file; save it again"),
        (zipped(b"{", {}), "a.zip/har.har' is cut short"),
    ],
    ids=["a cut file", "a signature", "a cut member"],  # a zip file has the time in it
)
def test_a_zip_file_that_cannot_be_read_is_refused_in_a_sentence(
    data: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.zip").write_bytes(data)

    assert run(["import", "a.zip"]) == 2
    assert capsys.readouterr().err.splitlines()[0].startswith(f"tapehead: '{reason}")


def test_a_zip_file_without_a_har_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile("a.zip", "w") as archive:
        archive.writestr("trace.network", "{}")

    assert run(["import", "a.zip"]) == 2
    assert "a.zip' is a zip file without a HAR file in it; save the traffic as HAR" in capsys.readouterr().err
    assert run(["audit", "a.zip"]) == 2
    assert "a.zip' is a zip file without a HAR file in it; " in capsys.readouterr().err
