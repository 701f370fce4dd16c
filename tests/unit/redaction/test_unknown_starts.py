"""Sessions whose identifiers nobody has told: what might identify is masked in them, whatever came first."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from support.exchanges import event, exchange, opened, request, response, sent, start_with
from tapehead.protocol.exchange import Exchange, encode
from tapehead.protocol.messages import Request
from tapehead.protocol.routes import Call
from tapehead.recording.identifier_file import IdentifierFile
from tapehead.recording.pseudonym_keys import pseudonym_key, state_directory
from tapehead.redaction import session_identifiers
from tapehead.redaction.redactor import Redactor
from tapehead.redaction.session_identifiers import RECORD_BYTES, SessionIdentifiers

VISITOR, LATER = "jane.doe@example.com", "later-4711"
START = start_with({"analytics.visitorId": VISITOR})


def redactor_in(folder: Path, warn: Callable[[str], None] = pytest.fail) -> Redactor:
    key = pseudonym_key(folder)
    return Redactor(key, (), IdentifierFile(folder, warn).open(key))


def ping_has(value: str, redactor: Redactor) -> bool:
    stored = redactor.redact(sent("abc", event("ping", 5, 5, customMetadata={"by": value})))
    return value.encode() in encode(stored)


def preflight(sid: str) -> Exchange:
    asked = request(path=f"/api/v1/sessions/{sid}/events", method="OPTIONS")
    return msgspec.structs.replace(exchange(asked, response(200)), call=Call.PREFLIGHT, session=sid)


def test_a_preflight_tells_no_identifiers() -> None:
    redactor = Redactor(b"a key")
    redactor.redact(preflight("abc"))

    assert not ping_has(VISITOR, redactor)


def test_after_a_restart_a_preflight_hides_no_identifiers(tmp_path: Path) -> None:
    redactor_in(tmp_path).redact(opened("abc", START))
    again = redactor_in(tmp_path)
    again.redact(preflight("abc"))

    assert not ping_has(VISITOR, again)
    assert ping_has("page-4711", again)


@pytest.mark.parametrize(
    "lost",
    [
        lambda asked: msgspec.structs.replace(asked.with_content(b""), saved=False),
        lambda asked: asked.with_content(b""),
        lambda asked: asked.with_content(asked.content().decode().encode("utf-16")),
    ],
    ids=["not saved", "empty", "in UTF-16"],
)
def test_a_start_whose_body_cannot_be_searched_tells_none(lost: Callable[[Request], Request]) -> None:
    redactor, start = Redactor(b"a key"), opened("abc", START)
    redactor.redact(msgspec.structs.replace(start, request=lost(start.request)))

    assert not ping_has(VISITOR, redactor)


@pytest.mark.parametrize("call", range(3))
def test_records_that_a_full_disk_refused_are_not_missed(
    call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings, calls, write = list[str](), iter(range(100)), os.write

    def refuse(file: int, content: bytes) -> int:
        if next(calls) != call:
            return write(file, content)
        write(file, content[:RECORD_BYTES])
        raise OSError(errno.ENOSPC, "No space left on device")

    redactor = redactor_in(tmp_path, warnings.append)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", refuse)
        redactor.redact(opened("abc", START))
        redactor.redact(sent("abc", event("ping", 5, 5, params={"analytics.visitorId": LATER})))
        redactor.redact(opened("def", START))

    assert len(warnings) == 1
    assert not any(ping_has(value, redactor_in(tmp_path)) for value in (VISITOR, LATER))


def test_records_that_are_cut_by_the_disk_halfway_are_written_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    redactor = redactor_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, content: write(file, content[:10]))
        redactor.redact(opened("abc", START))

    again = redactor_in(tmp_path)
    assert not ping_has(VISITOR, again)
    assert ping_has("page-4711", again)


def test_records_of_a_session_without_the_first_one_count_for_nothing() -> None:
    stored = bytearray()
    identifiers = SessionIdentifiers(b"a key", lambda records, _is_next: stored.extend(records))
    identifiers.add("abc", [VISITOR])
    identifiers.add("abc", [LATER])

    again = SessionIdentifiers(b"a key")
    again.load(bytes(stored[RECORD_BYTES:]))
    assert not again.knows("abc")


def test_records_of_a_session_that_come_much_later_complete_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def records(sid: str, *values: str) -> bytes:
        stored = bytearray()
        identifiers = SessionIdentifiers(b"a key", lambda records, _is_next: stored.extend(records))
        for value in values:
            identifiers.add(sid, [value])
        return bytes(stored)

    one = records("abc", VISITOR, LATER)
    monkeypatch.setattr(session_identifiers, "MOST_BYTES", 1000)
    again = SessionIdentifiers(b"a key")
    others = b"".join(records(f"s{number}", VISITOR) for number in range(5))
    again.load(one[:-RECORD_BYTES] + others + one[-RECORD_BYTES:])
    found = set(again.find("abc", [f"{VISITOR} and {LATER}".encode()]))

    assert found == ({VISITOR, LATER} if again.knows("abc") else set())


def test_files_of_any_size_are_read_whole(tmp_path: Path) -> None:
    first = redactor_in(tmp_path)
    first.redact(opened("abc", START))
    (path,) = (state_directory() / "identifiers").iterdir()
    with path.open("ab") as file:
        file.write(b"x" * RECORD_BYTES * 600_000)
    redactor_in(tmp_path).redact(sent("abc", event("ping", 5, 5, params={"analytics.visitorId": LATER})))

    assert not ping_has(LATER, redactor_in(tmp_path))


def test_a_pipe_in_the_place_of_the_records_stalls_nothing(tmp_path: Path) -> None:
    redactor_in(tmp_path).redact(opened("abc", START))
    (path,) = (state_directory() / "identifiers").iterdir()
    path.unlink()
    os.mkfifo(path)
    warnings = list[str]()
    redactor = redactor_in(tmp_path, warnings.append)
    redactor.redact(opened("abc", START))

    assert len(warnings) == 1
    assert not ping_has(VISITOR, redactor)
