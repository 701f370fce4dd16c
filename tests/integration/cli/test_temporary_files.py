"""The temporary files of commands that read recordings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import reports

SESSIONS = 2500


@pytest.mark.skipif(sys.platform == "win32", reason="a shell limits the size of files")
@pytest.mark.parametrize("command", ["audit many.jsonl --fail-on never", "diff many.jsonl many.jsonl"])
def test_a_report_is_the_same_where_no_temporary_file_can_be_written(tmp_path: Path, command: str) -> None:
    starts = (
        [reports.exchange(f"s{n}", reports.event(n, "sessionStart", 0, reports.START), n, 201)] for n in range(SESSIONS)
    )
    recording = reports.write(tmp_path / "many.jsonl", *starts)
    report = f"exec {sys.executable} -m tapehead {command} --format json"
    variables = {**os.environ, "SOURCE_DATE_EPOCH": "1795000000", "TMPDIR": str(tmp_path)}

    written, kept = (
        subprocess.run(["sh", "-c", f"{limit}{report}"], cwd=tmp_path, env=variables, capture_output=True, check=True)
        for limit in ("", "ulimit -f 1; ")
    )

    assert written.stderr == b""
    assert kept.stderr.startswith(b"tapehead: cannot write a temporary file: ")
    assert kept.stderr.count(b"\n") == 1
    assert kept.stdout == written.stdout
    assert [path.name for path in tmp_path.iterdir()] == [recording.name]
