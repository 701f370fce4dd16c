"""Identifiers of a session stay known: beyond those that are remembered, and in another run."""

from pathlib import Path
from urllib.parse import quote

import pytest

from support.exchanges import AD, event, opened, response, sent, start_with
from tapehead.protocol.exchange import Exchange, encode
from tapehead.recording.identifier_file import IdentifierFile
from tapehead.recording.pseudonym_keys import pseudonym_key, state_directory
from tapehead.redaction import redactor as redactor_module
from tapehead.redaction import session_identifiers
from tapehead.redaction.redactor import MOST_REMEMBERED, Redactor
from tapehead.redaction.session_identifiers import MOST_IDENTIFIERS, RECORD_BYTES, SessionIdentifiers

VISITOR = "jane.doe@example.com"
VALUES = [VISITOR, "4711-0815-77", "Jürgen Müller-7", 'customer "0815" Zoë & Söhne', "{7c9e6679-7425}", "v-7" * 200]


def run_in(folder: Path) -> Redactor:
    """A redactor of a run that records in `folder`."""
    key = pseudonym_key(folder)
    return Redactor(key, (), IdentifierFile(folder, pytest.fail).open(key))


def start_of(sid: str, *visitors: str) -> Exchange:
    customers = {f"n{number}": {"id": value} for number, value in enumerate(visitors)}
    return opened(sid, start_with({"visitor.customerIDs": customers}))


def ping_of(sid: str, text: str) -> Exchange:
    """A ping with a text in metadata and in a query, whose answer repeats it."""
    body = event("ping", 5, 5, customMetadata={"by": f"by {text}, {text}", "is": text})
    whole = sent(sid, body, answered=response(404, [], f"no visitor {text}!".encode()))
    return whole.__class__(
        **{name: getattr(whole, name) for name in whole.__struct_fields__}
        | {"request": whole.request.with_url(f"{whole.request.url}?x={quote(text, safe='')}")}
    )


def has(value: str, whole: Exchange) -> bool:
    line = encode(whole).decode()
    return any(each.lower() in line.lower() for each in (value, quote(value, safe=""), value.strip("{}")))


@pytest.mark.parametrize("value", VALUES)
def test_another_run_finds_the_identifiers_of_a_session(value: str, tmp_path: Path) -> None:
    run_in(tmp_path).redact(start_of("abc", "someone-else-1", value))

    assert not has(value, run_in(tmp_path).redact(ping_of("abc", value)))
    assert not has(value, run_in(tmp_path).redact(ping_of("abc", value.upper() if value.isascii() else value)))


def test_another_run_gives_the_same_pseudonym_and_leaves_other_values(tmp_path: Path) -> None:
    first = run_in(tmp_path)
    first.redact(start_of("abc", VISITOR))
    body = event("adStart", 5, 5, AD, customMetadata={"by": VISITOR, "page": "page-4711", "n": 1234567})
    stored = run_in(tmp_path).redact(sent("abc", body)).request.json()

    assert stored["customMetadata"] == {"by": first.pseudonym(VISITOR), "page": "page-4711", "n": 1234567}
    assert stored["params"] == body["params"]


def test_what_is_kept_between_runs_is_private_and_names_nobody(tmp_path: Path) -> None:
    run_in(tmp_path).redact(start_of("abc-session", VISITOR))
    (path,) = (state_directory() / "identifiers").iterdir()

    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(part in path.read_bytes() for part in (b"jane", b"example", b"abc-session"))


def test_a_record_that_was_cut_short_costs_that_one_only(tmp_path: Path) -> None:
    run_in(tmp_path).redact(start_of("abc", VISITOR))
    (path,) = (state_directory() / "identifiers").iterdir()
    with path.open("ab") as file:
        file.write(b"torn")
    run_in(tmp_path).redact(start_of("def", "another-4711"))

    again = run_in(tmp_path)
    assert not has(VISITOR, again.redact(ping_of("abc", VISITOR)))
    assert not has("another-4711", again.redact(ping_of("def", "another-4711")))
    assert path.stat().st_size % RECORD_BYTES == 0


def test_a_store_that_fails_is_told_of_once_and_costs_nothing(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path)
    (state_directory() / "identifiers").write_text("no folder")
    warnings: list[str] = []
    redactor = Redactor(key, (), IdentifierFile(tmp_path, warnings.append).open(key))
    for sid in ("abc", "def"):
        redactor.redact(start_of(sid, VISITOR))

    assert not has(VISITOR, redactor.redact(ping_of("abc", VISITOR)))
    assert len(warnings) == 1
    assert "will be masked" in warnings[0]


def test_sessions_beyond_those_that_are_remembered_stay_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redactor_module, "MOST_SESSIONS", 10)
    redactor = Redactor(b"a key")
    for number in range(40):
        redactor.redact(start_of(f"s{number}", f"customer-{number:03d}"))

    for number in range(40):
        redacted = redactor.redact(ping_of(f"s{number}", f"customer-{number:03d} page-{number}"))
        assert not has(f"customer-{number:03d}", redacted)
        assert has(f"page-{number}", redacted)


def test_identifiers_beyond_those_that_are_remembered_stay_known() -> None:
    redactor = Redactor(b"a key")
    values = [f"customer-{number:04d}" for number in range(4 * MOST_REMEMBERED)]
    redactor.redact(start_of("abc", *values))

    redacted = redactor.redact(ping_of("abc", " ".join([*values, "page-4711"])))
    assert not any(has(value, redacted) for value in values)
    assert has("page-4711", redacted)


def test_a_session_of_more_identifiers_than_are_kept_is_masked() -> None:
    redactor = Redactor(b"a key")
    values = [f"customer-{number:05d}" for number in range(MOST_IDENTIFIERS + 5)]
    redactor.redact(start_of("abc", *values))

    assert not any(has(value, redactor.redact(ping_of("abc", value))) for value in (values[0], values[-1]))


def test_in_a_session_that_nobody_saw_begin_what_might_identify_is_masked() -> None:
    ad = event(
        "adStart", 5, 5, AD | {"media.ad.id": "ad-4711"}, customMetadata={"who": VISITOR, "n": 1234567, "is": "live"}
    )
    redactor = Redactor(b"a key")
    stored = redactor.redact(sent("abc", ad, answered=response(404, [], f"abc: no visitor {VISITOR}!".encode())))

    assert not has(VISITOR, stored)
    assert stored.request.json()["params"] == ad["params"]
    assert stored.request.json()["playerTime"] == ad["playerTime"]
    assert stored.request.json()["customMetadata"] == {
        "who": redactor.pseudonym(VISITOR),
        "n": int(redactor.pseudonym("1234567")),
        "is": "live",
    }
    assert stored.response
    assert stored.response.content() == f"abc: no visitor {redactor.pseudonym(VISITOR)}!".encode()
    assert not has(VISITOR, redactor.redact(ping_of("abc", VISITOR)))


def test_what_is_kept_is_bounded_and_the_oldest_sessions_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_identifiers, "MOST_BYTES", 20_000)
    stored, files = [0], [0]

    def store(records: bytes, is_next: bool) -> None:
        stored[0] = len(records) + (0 if is_next else stored[0])
        files[0] += is_next

    identifiers = SessionIdentifiers(b"a key", store)
    for number in range(500):
        identifiers.add(f"s{number}", [VISITOR])
        assert identifiers.knows("s0")
        assert stored[0] <= 20_000

    assert files[0] > 2
    assert not identifiers.knows("s1")
    assert list(identifiers.find("s0", [b"by jane.doe@example.com"])) == [VISITOR]
    assert list(identifiers.find("s1", [b"by jane.doe@example.com"])) == []


def test_two_recorders_share_a_file(tmp_path: Path) -> None:
    one, other = run_in(tmp_path), run_in(tmp_path)
    for number in range(20):
        (one, other)[number % 2].redact(start_of(f"s{number}", f"customer-{number:03d}"))

    again = run_in(tmp_path)
    for number in range(20):
        assert not has(f"customer-{number:03d}", again.redact(ping_of(f"s{number}", f"customer-{number:03d} page-1")))
