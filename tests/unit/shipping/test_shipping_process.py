"""The process that ships, as its recorder has it: what is told of one that ends on its own."""

import subprocess
import sys
from typing import Any

import pytest

from tapehead.errors import StartupError
from tapehead.shipping import shipping_process
from tapehead.shipping.shipping_messages import ShippingSetup
from tapehead.shipping.shipping_process import ShippingProcess


def test_a_process_that_ends_at_once_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def start_and_wait(*arguments: Any, **more: Any) -> "subprocess.Popen[bytes]":
        process = start(*arguments, **more)
        process.wait()
        return process

    # It has ended before anything is sent to it.
    monkeypatch.setattr(subprocess, "Popen", start_and_wait)
    monkeypatch.setattr(shipping_process, "COMMAND", (sys.executable, "-S", "-c", "raise SystemExit(3)"))
    process = ShippingProcess(ShippingSetup(out="a.jsonl", url="s3://bucket/x"), pytest.fail)
    try:
        with pytest.raises(StartupError, match="the process that ships to 's3://bucket/x' died: exit code 3"):
            process.wait_ready()
    finally:
        process.close()
