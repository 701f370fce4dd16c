"""URLs of journals: which there are, and that nothing repeats their tokens."""

import os
import pickle
from pathlib import Path

import pytest

from tapehead.errors import UsageError
from tapehead.recording.paths import input_path, name_of
from tapehead.remote.journal_paths import JournalPath, path_of_url
from tapehead.remote.journal_urls import JournalUrl, parse_journal_url
from tapehead.remote.urls import TOKEN_VARIABLE

TOKEN = "secret-of-a-test.1_2"


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


@pytest.mark.parametrize(
    "text",
    [
        f"http://127.0.0.1:8090/#{TOKEN}",
        f"http://127.0.0.1:8090#{TOKEN}",
        f"HTTP://localhost:8090/#{TOKEN}",
        f"http://127.0.0.1:8090/tapehead/v1#{TOKEN}",
        f"http://127.0.0.1:8090/tapehead/v1/#{TOKEN}",
    ],
)
def test_a_live_page_of_this_machine_is_a_journal(text: str) -> None:
    assert parse_journal_url(text) == JournalUrl(8090, TOKEN)


def test_a_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "of-the-environment")

    assert parse_journal_url("http://127.0.0.1:8090/") == JournalUrl(8090, "of-the-environment")
    assert parse_journal_url(f"http://127.0.0.1:8090/#{TOKEN}") == JournalUrl(8090, TOKEN)


@pytest.mark.parametrize(
    "text",
    [
        f"https://127.0.0.1:8090/#{TOKEN}",
        f"http://127.0.0.1:8090/run.jsonl#{TOKEN}",
        f"http://127.0.0.1:8090/?a#{TOKEN}",
        f"http://127.0.0.1:99999/#{TOKEN}",
        f"http://[::1/#{TOKEN}",
        "s3://bucket/key",
        "run.jsonl",
    ],
)
def test_other_urls_are_none_and_no_token_leaves_this_machine(text: str) -> None:
    assert parse_journal_url(text) is None
    if text.startswith("http"):
        with pytest.raises(UsageError, match="of a running tapehead") as refused:
            path_of_url(text)
        assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://127.0.0.1:8090/", f"'http://127.0.0.1:8090/': it has no token; .* or set {TOKEN_VARIABLE}"),
        (f"http://127.0.0.1/#{TOKEN}", "'http://127.0.0.1/': it has no port"),
        (f"http://127.0.0.1:0/#{TOKEN}", "'http://127.0.0.1:0/': it has no port"),
        (
            f"http://proxy-7.example:8091/#{TOKEN}",
            "its own machine alone; run ssh -L 8091:127.0.0.1:8091 proxy-7.example, and pass http://127.0.0.1:8091/#TOKEN",
        ),
        (f"http://127.0.0.1.example.com:8090/#{TOKEN}", "run ssh -L 8090:127.0.0.1:8090 127.0.0.1.example.com, "),
        (f"http://user:{TOKEN}@127.0.0.1:8090/#{TOKEN}", "'http://127.0.0.1:8090/': it contains a login"),
        (f"http://127.0.0.1:8090/#{TOKEN}%0d%0aX:", "expected only letters, digits, .* in the token behind '#'"),
    ],
)
def test_a_journal_that_cannot_be_asked_is_refused_in_one_sentence(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        parse_journal_url(text)

    assert TOKEN not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_token_of_the_environment_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, f"{TOKEN}\r\nX: y")

    with pytest.raises(UsageError, match=f"in {TOKEN_VARIABLE}") as refused:
        parse_journal_url("http://127.0.0.1:8090/")
    assert TOKEN not in str(refused.value)


def test_a_path_shows_no_token_and_is_equal_by_its_port() -> None:
    path = input_path(f"http://localhost:8090/#{TOKEN}")

    assert isinstance(path, JournalPath)
    assert path.journal.token == TOKEN
    shown = [str(path), repr(path), f"{path}", name_of(path), repr(path.journal), str(path.journal), path.as_posix()]
    assert not [text for text in shown if TOKEN in text]
    assert name_of(path) == "http://127.0.0.1:8090"
    assert path == JournalPath(JournalUrl(8090, "another"))
    assert len({path, JournalPath(JournalUrl(8090, "another")), JournalPath(JournalUrl(8091, TOKEN))}) == 2


def test_a_text_that_was_a_path_is_the_same_journal() -> None:
    path = input_path(Path(f"http://127.0.0.1:8090/#{TOKEN}"))

    assert isinstance(path, JournalPath)
    assert path.journal == JournalUrl(8090, TOKEN)


def test_nothing_is_beside_a_journal() -> None:
    path = JournalPath(JournalUrl(8090, TOKEN))

    assert path.parent is path
    with pytest.raises(FileNotFoundError, match="nothing is beside"):
        (path.parent / "schemas.jsonl").open("rb")


def test_another_process_gets_the_copy() -> None:
    path = pickle.loads(pickle.dumps(JournalPath(JournalUrl(8090, TOKEN), copy="/copy", notice="lacks a call")))

    assert (os.fspath(path), path.notice) == ("/copy", "lacks a call")
    assert path == JournalPath(JournalUrl(8090, TOKEN))
