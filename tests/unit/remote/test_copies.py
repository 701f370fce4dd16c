"""Copies of objects, and what they leave to the program that reads them."""

import logging
import signal

import pytest

from tapehead.remote.copies import CopyFolder
from tapehead.remote.stores import open_store
from tapehead.remote.urls import parse_url


def test_signals_of_a_program_that_reads_recordings_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    monkeypatch.setattr("atexit.register", lambda _remove: None)
    try:
        CopyFolder().prepare()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        CopyFolder().remove_at_signals()
        assert signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_logs_of_libraries_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("botocore"), "level", logging.NOTSET)

    open_store(parse_url("s3://bucket"), attempts=7)

    assert logging.getLogger("botocore").level == logging.NOTSET
