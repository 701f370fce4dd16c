"""tapehead import: files in, one recording out, and its summary."""

import gzip
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import zstandard

from support.captured_traffic import read, rules
from support.exchanges import exchange, opened, request, response, sent, session, start, start_with
from support.har_files import entry, flow_file, flow_of, har, har_of
from support.paths import RECORDINGS_FOLDER
from support.processes import run_tapehead
from tapehead.cli.app import run
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.hosts import parse_host
from tapehead.recording.paths import STDIN
from tapehead.text import count_of

RECORDINGS = RECORDINGS_FOLDER
CALLS = session("s1", [(1, 0, "play", {}), (9, 8, "ping", {}), (12, 11, "sessionComplete", {})])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def saved() -> Path:
    path = Path("a.har")
    path.write_bytes(har_of(CALLS))
    return path


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, list[str]]:
    """Return stdout, and the lines on stderr."""
    said = capsys.readouterr()
    return said.out, said.err.splitlines()


def test_every_sample_comes_out_of_a_har_and_of_a_flow_file_as_it_was_recorded() -> None:
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        recorded = read(path)
        Path("a.har").write_bytes(har_of(recorded))
        Path("a.flow").write_bytes(flow_file(*map(flow_of, recorded)))
        for name in ("a.har", "a.flow"):
            assert run(["import", name, "--out", f"{name}-{path.name}", "--keep-ids"]) == 0
            imported = read(Path(f"{name}-{path.name}"))
            assert [each.request.content() for each in imported] == [each.request.content() for each in recorded]
            assert [each.session for each in imported] == [each.session for each in recorded]
            assert [(each.call, each.started) for each in imported] == [(each.call, each.started) for each in recorded]
            assert [rules(each) for each in imported] == [rules(each) for each in recorded]
            assert run(["diff", str(path), f"{name}-{path.name}"]) == 0


def test_one_line_says_what_was_imported(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    others = [entry("https://example.com/video.ts") for _ in range(3)]
    saved.write_bytes(har(*orjson.loads(har_of(CALLS))["log"]["entries"], *others))

    assert run(["import", "a.har", "--out", "out.jsonl"]) == 0
    line = "imported 4 exchanges of 1 session from a.har into out.jsonl: 4 warnings; 3 other requests left out\n"
    assert told(capsys) == (line, [])


def test_findings_are_those_of_the_time_at_which_a_call_arrived(saved: Path) -> None:
    late = [orjson.loads(har_of(CALLS[:1]))["log"]["entries"][0] | {"startedDateTime": "2026-11-23T03:00:00Z"}]
    saved.write_bytes(har(*late))
    run(["import", "a.har", "--out", "out.jsonl"])

    assert [rules(each) for each in read(Path("out.jsonl"))] == [["clock-skew"]]


def test_files_are_put_in_order_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    Path("late.har").write_bytes(har_of([CALLS[3], CALLS[1]]))
    Path("early.flow").write_bytes(flow_file(flow_of(CALLS[2]), flow_of(CALLS[0])))

    assert run(["import", "late.har", "early.flow", "--out", "out.jsonl"]) == 0
    assert [each.started for each in read(Path("out.jsonl"))] == [each.started for each in CALLS]
    assert "from late.har, early.flow into" in told(capsys)[0]


@pytest.mark.parametrize(
    "pack",
    [lambda data: data, gzip.compress, zlib.compress, zstandard.compress, lambda data: b"\xef\xbb\xbf" + data],
    ids=["plain", "gzip", "zlib", "zstd", "BOM"],
)
def test_a_file_is_known_by_what_is_in_it(pack: Callable[[bytes], bytes]) -> None:
    Path("x.bin").write_bytes(pack(har_of(CALLS)))

    assert run(["import", "x.bin", "--out", "out.jsonl"]) == 0
    assert len(read(Path("out.jsonl"))) == len(CALLS)


# Names, since times and random ids in the data would name the cases differently in each process.
@pytest.mark.parametrize(
    "data",
    [har_of(CALLS), flow_file(*map(flow_of, CALLS)), gzip.compress(har_of(CALLS))],
    ids=["har", "flow", "gzip"],
)
def test_a_dash_is_stdin(data: bytes) -> None:
    command = [sys.executable, "-m", "tapehead", "import", str(STDIN), "--out", "out.jsonl"]
    done = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60)

    assert done.stdout.startswith(b"imported 4 exchanges of 1 session from stdin into out.jsonl: ")
    assert len(read(Path("out.jsonl"))) == len(CALLS)


def test_a_recording_is_new_added_to_or_replaced(saved: Path) -> None:
    assert run(["import", "a.har", "--out", "out.jsonl"]) == 0
    assert stat.S_IMODE(Path("out.jsonl").stat().st_mode) == 0o600
    assert run(["import", "a.har", "--out", "out.jsonl"]) == 2
    Path("b.har").write_bytes(har_of([*CALLS, opened("s2", start(30), 30)]))
    assert run(["import", "b.har", "--out", "out.jsonl", "--append"]) == 0
    assert [each.session for each in read(Path("out.jsonl"))] == ["s1"] * len(CALLS) + ["s2"]
    assert run(["import", "a.har", "--out", "out.jsonl", "--overwrite"]) == 0
    assert len(read(Path("out.jsonl"))) == len(CALLS)
    assert run(["import", "a.har", "--out", "out.jsonl", "--overwrite", "--append"]) == 2


def test_without_a_name_it_is_a_new_one_in_recordings(saved: Path) -> None:
    assert run(["import", "a.har", "--compress"]) == 0
    (made,) = Path("recordings").iterdir()
    assert made.name.endswith("Z.jsonl.zst")
    assert run(["audit", str(made)]) == 0


@pytest.mark.parametrize("options", [["--overwrite"], ["--append"], []])
def test_a_file_is_not_written_over_itself(saved: Path, options: list[str]) -> None:
    before = saved.read_bytes()

    assert run(["import", "a.har", "--out", "./a.har", *options]) == 2
    assert saved.read_bytes() == before


def test_what_cannot_be_read_is_told_and_hides_no_other(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cut.har").write_bytes(saved.read_bytes()[:-9])
    Path("empty.har").touch()
    Path("text.har").write_text("GET / HTTP/1.1")
    Path("packed.har").write_bytes(gzip.compress(saved.read_bytes())[:-9])
    Path("folder").mkdir()
    names = ["cut.har", "empty.har", "text.har", "packed.har", "folder", "none.har", "a.har"]

    assert run(["import", *names, "--out", "out.jsonl"]) == 2
    assert len(read(Path("out.jsonl"))) == len(CALLS)
    said, lines = told(capsys)
    assert said.startswith("imported 4 exchanges of 1 session from a.har into")
    assert len(lines) == 6
    said_of = ["cut short", "empty", "neither a HAR file nor", "cannot be unpacked", "is a directory", "no file"]
    for line, what in zip(lines, said_of, strict=True):
        assert what in line


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (har(), "no Media Collection call among 0 requests in 'a.har'"),
        (har(entry("https://example.com/")), "no Media Collection call among 1 request in 'a.har'"),
        (har({}), "1 of them malformed"),
        (b"{}", "'a.har' is not a HAR file"),
        (
            har(entry("https://t.example:8443/x/api/v1/sessions")),
            "to t.example:8443 (1); pass --endpoint t.example:8443",
        ),
    ],
)
def test_where_there_is_no_call_nothing_is_left_behind(
    data: bytes, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.har").write_bytes(data)

    assert run(["import", "a.har"]) == 2
    assert reason in told(capsys)[1][-1]
    assert [path.name for path in Path().iterdir()] == ["a.har"]


def test_a_recording_that_would_be_replaced_stays_where_there_is_no_call(saved: Path) -> None:
    run(["import", "a.har", "--out", "out.jsonl"])
    before = Path("out.jsonl").read_bytes()
    Path("b.har").write_bytes(har())

    assert run(["import", "b.har", "--out", "out.jsonl", "--overwrite"]) == 2
    assert Path("out.jsonl").read_bytes() == before


def test_other_hosts_count_where_they_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    urls = ["https://t.example/x/api/v1/sessions", "https://u.example/api/v1/sessions", "https://v.example/"]
    Path("a.har").write_bytes(har(*(entry(url, "[]") for url in urls)))

    assert run(["import", "a.har", "--endpoint", "t.example", "--out", "out.jsonl"]) == 0
    assert [each.request.url for each in read(Path("out.jsonl"))] == urls[:1]
    said, (line,) = told(capsys)
    assert "2 other requests left out" in said
    assert line == "tapehead: calls to u.example (1) are left out; pass --endpoint u.example if that is the endpoint"


@pytest.mark.parametrize(
    "host", ["ftp://t.example/", "t.example/x", "*.example", "*", "t.example:port", "me@t.example", ""]
)
def test_what_is_no_host_is_refused(capsys: pytest.CaptureFixture[str], host: str) -> None:
    Path("a.har").write_bytes(har(entry("https://t.example/api/v1/sessions")))

    assert run(["import", "a.har", "--endpoint", host, "--out", "out.jsonl"]) == 2
    forms = "HOST, HOST:PORT, *.DOMAIN or a URL, such as collection.example.com"
    assert told(capsys) == ("", [f"tapehead: invalid --endpoint '{host}': expected {forms}"])
    assert run(["replay", "a.har", "--allow", host]) == 2
    assert f"invalid --allow '{host}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "count"),
    [
        ("https://T.example/api/v1/sessions?a=b", 1),
        ("http://t.example:8443/", 0),
        ("*.t.example", 2),
        ("*.u.t.example", 1),
        ("*.t.example:443", 2),
    ],
)
def test_an_endpoint_is_named_by_a_url_or_a_pattern(capsys: pytest.CaptureFixture[str], named: str, count: int) -> None:
    hosts = ("t.example", "u.t.example", "v.u.t.example", "not-t.example")
    Path("a.har").write_bytes(har(*(entry(f"https://{host}/api/v1/sessions") for host in hosts)))

    assert run(["import", "a.har", "--endpoint", named, "--out", "out.jsonl"]) == (0 if count else 2)
    assert (f"imported {count_of(count, 'exchange')} " in told(capsys)[0]) == bool(count)


@pytest.mark.parametrize(
    "host", ["t.example", "T.example:8443", "127.0.0.1:80", "::1", "[::1]:443", "a_b", "düsseldorf.example"]
)
def test_names_and_addresses_are_hosts(host: str) -> None:
    assert parse_host(host) == host


def test_bodies_that_are_missing_are_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.har").write_bytes(har(entry(body=None), entry(body=None), entry(body="[]")))

    assert run(["import", "a.har", "--out", "out.jsonl"]) == 0
    (line,) = told(capsys)[1]
    assert line.startswith("tapehead: the exporter did not save 2 bodies; ")


def test_a_disk_that_is_full_is_told_of(saved: Path) -> None:
    command = f"ulimit -f 1; trap '' XFSZ; {sys.executable} -m tapehead import a.har --out out.jsonl --keep-ids"
    saved.write_bytes(har_of(CALLS * 500))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("tapehead: cannot write 'out.jsonl': ")
    assert "; it holds " in line
    assert line.endswith(" of 2000 exchanges")


# ---- People ----

JANE, CUSTOMER, NAMED = "12345678901234567890123456789012345678", "jane.doe@example.com", "user-7-of-9"
PARAMS = {"visitor.marketingCloudUserId": JANE, "visitor.customerIDs": {"mail": {"id": CUSTOMER}}}


def planted() -> list[Exchange]:
    """A session with identifiers in its bodies, URLs, headers and answers."""
    first = opened("s1", start_with(PARAMS) | {"customMetadata": {"userId": NAMED}})
    asked = request(b'{"a":"b"}', f"/api/v1/sessions/s1/events?mail={CUSTOMER}", Cookie=f"who={JANE}")
    return [first, sent("s1", {"userId": NAMED}, 1), exchange(asked, response(400, [("Set-Cookie", JANE)]), 2)]


@pytest.mark.parametrize("make", [har_of, lambda calls: flow_file(*map(flow_of, calls))], ids=["HAR", "flows"])
def test_identifiers_are_in_no_byte_that_is_written_unless_they_are_to_be_kept(
    make: Callable[[list[Exchange]], bytes],
) -> None:
    damaged = har({"startedDateTime": JANE}, entry(startedDateTime=JANE), entry(f"https://{NAMED}@[/api/v1/sessions"))
    Path("a.saved").write_bytes(make(planted()))
    Path("b.saved").write_bytes(damaged)
    done = run_tapehead("import", "a.saved", "b.saved", "--out", "out/out.jsonl", "--redact-key", "userId")
    kept = run_tapehead("import", "a.saved", "--out", "kept.jsonl", "--keep-ids")

    assert (done.returncode, kept.returncode) == (0, 0), done
    written = Path("out/out.jsonl").read_text() + done.stdout + done.stderr
    assert "3 malformed entries skipped" in written
    for value in (JANE, CUSTOMER, NAMED):
        assert value not in written
        assert value in Path("kept.jsonl").read_text()


def test_pseudonyms_join_with_those_of_other_recordings_in_the_directory(saved: Path) -> None:
    run(["import", "a.har", "--out", "x/one.jsonl"])
    run(["import", "a.har", "--out", "x/two.jsonl"])
    run(["import", "a.har", "--out", "y/three.jsonl"])
    one, two, three = (Path(name).read_bytes() for name in ("x/one.jsonl", "x/two.jsonl", "y/three.jsonl"))

    assert one == two != three


# ---- What is loaded ----


@pytest.mark.parametrize(
    ("data", "loaded"), [(har_of(CALLS), False), (flow_file(*map(flow_of, CALLS)), True)], ids=["har", "flow"]
)
def test_mitmproxy_is_loaded_for_flow_files_only(data: bytes, loaded: bool) -> None:
    Path("a.saved").write_bytes(data)
    script = (
        "import sys; from tapehead.cli.app import run; code = run(['import', 'a.saved', '--out', 'out.jsonl']); "
        "print(code, 'mitmproxy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.splitlines()[-1] == f"0 {loaded}"
