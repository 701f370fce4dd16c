"""Flow files: other kinds of flows, older versions, cut and damaged ones, and lengths that lie."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.io import tnetstring
from mitmproxy.proxy import mode_specs
from mitmproxy.test import tflow

from support.exchanges import opened, sent, session, start
from support.har_files import flow_file, flow_of
from tapehead.errors import RecordingError
from tapehead.interop.collector import CallCollector
from tapehead.interop.flow_files import read_flow_file
from tapehead.interop.tnetstrings import LARGEST, NetstringError, check_netstring
from tapehead.protocol.hosts import EndpointHosts

CALLS = session("s1", [(1, 0, "play", {}), (9, 8, "ping", {})])


def collect(data: bytes, *named: str) -> tuple[CallCollector, list[str]]:
    """What a sieve has of a flow file, and what was complained of."""
    lines: list[str] = []
    sieve = CallCollector(EndpointHosts(named), lines.append)
    read_flow_file("a.flow", io.BytesIO(data), sieve, lines.append)
    sieve.finish("a.flow")
    return sieve, lines


def changed(change: Callable[[http.HTTPFlow], object]) -> bytes:
    """A flow file with one call, changed before it was written."""
    made = flow_of(opened("s1", start()))
    change(made)
    return flow_file(made)


def state(change: Callable[[dict[str, object]], object]) -> bytes:
    """A flow file with one call whose state is changed where mitmproxy would not."""
    made = flow_of(opened("s1", start())).get_state()
    change(made)
    return tnetstring.dumps(made)


def test_what_is_no_http_is_counted() -> None:
    others = [tflow.ttcpflow(), tflow.tudpflow(), tflow.tdnsflow(), tflow.twebsocketflow()]
    sieve, lines = collect(flow_file(*others, flow_of(CALLS[0])))

    assert (len(sieve.taken), sieve.others, lines) == (1, 4, [])


def test_in_reverse_mode_all_hosts_count() -> None:
    def change(made: http.HTTPFlow) -> None:
        made.request.host = "10.0.0.1"
        made.request.headers["Host"] = "10.0.0.1"

    def behind(made: http.HTTPFlow) -> None:
        change(made)
        made.client_conn.proxy_mode = mode_specs.ProxyMode.parse("reverse:http://10.0.0.1")

    assert collect(changed(change))[0].alike == ["10.0.0.1 (1)"]
    assert len(collect(changed(behind))[0].taken) == 1
    assert len(collect(changed(change), "10.0.0.1")[0].taken) == 1


def test_a_host_counts_by_its_name_or_its_address() -> None:
    def change(made: http.HTTPFlow) -> None:
        made.request.host, made.request.headers["Host"] = "10.0.0.1", "example.hb-api.omtrdc.net"

    assert len(collect(changed(change))[0].taken) == 1


def test_a_request_that_failed_has_its_error_and_no_answer() -> None:
    (taken,) = collect(flow_file(flow_of(sent("s1", {}, answered=None))))[0].taken

    assert taken.exchange.response is None
    assert taken.exchange.error == "the connection was reset"
    assert taken.exchange.elapsed_ms == 0.0


def test_a_request_whose_answer_was_not_saved_says_so() -> None:
    (taken,) = collect(changed(lambda made: setattr(made, "response", None)))[0].taken

    assert (taken.exchange.response, taken.exchange.error) == (None, "no answer is in the flow file")
    assert taken.exchange.elapsed_ms == 0.0


def test_a_body_that_went_by_as_a_stream_is_missing() -> None:
    sieve, _ = collect(changed(lambda made: setattr(made.request, "raw_content", None)))

    assert (len(sieve.taken), sieve.bodiless) == (1, 1)


def test_a_coded_body_is_unpacked() -> None:
    (taken,) = collect(changed(lambda made: made.request.encode("gzip")))[0].taken

    assert taken.exchange.request.content() == opened("s1", start()).request.content()


def test_an_older_version_goes_through_the_converter_of_mitmproxy() -> None:
    def older(made: dict[str, object]) -> None:
        made["version"] = 20

    assert len(collect(state(older))[0].taken) == 1


@pytest.mark.parametrize("at", [1, 3, 100, -1])
def test_what_stands_before_a_cut_is_imported(at: int) -> None:
    whole, last = flow_file(*map(flow_of, CALLS[:2])), flow_file(flow_of(CALLS[2]))
    sieve, lines = collect(whole + last[:at])

    assert len(sieve.taken) == 2
    assert lines == ["a.flow: the file is cut short after flow 2; what stands before is imported"]


@pytest.mark.parametrize("rubbish", [b"\x00", b"{}", b"12x", b":", b"1234567890123:x", b"\n"])
def test_rubbish_behind_flows_is_told_of(rubbish: bytes) -> None:
    sieve, lines = collect(flow_file(flow_of(CALLS[0])) + rubbish)

    assert len(sieve.taken) == 1
    assert lines == ["a.flow: what stands there is no flow after flow 1; what stands before is imported"]


@pytest.mark.parametrize("data", [b"5", b"5:", b"999999999999:", b"12:abc", b"5x"])
def test_a_file_without_a_flow_is_refused(data: bytes) -> None:
    with pytest.raises(RecordingError, match=r"a\.flow is no flow file"):
        collect(data)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"3:abc,", "mitmproxy cannot read it"),
        (b"0:}", "mitmproxy cannot read it"),
        (b"0:?", "mitmproxy cannot read it"),
        (b"6:-1:-1:}", "the lengths in it do not agree"),
        (b"4:9:a,]", "the lengths in it do not agree"),
        (state(lambda made: made.update(version=99)), "which is of flow format version 99"),
        (state(lambda made: made.update(type="secret")), "mitmproxy cannot read it, which says "),
        (state(lambda made: made.pop("request")), "mitmproxy cannot read it, which says "),
        (state(lambda made: made.update(request="secret")), "mitmproxy cannot read it, which says "),
        (changed(lambda made: setattr(made.request, "timestamp_start", float("nan"))), "its time is none"),
        (changed(lambda made: setattr(made.request, "timestamp_start", 1e300)), "its time is none"),
    ],
)
def test_a_damaged_flow_is_told_of_and_hides_no_other(damaged: bytes, reason: str) -> None:
    good = flow_file(flow_of(CALLS[0]))
    sieve, lines = collect(good + damaged + good)

    assert (len(sieve.taken), sieve.damaged) == (2, 1)
    (line,) = lines
    assert line.startswith("a.flow: flow 2 is damaged, and left out: ")
    assert reason in line
    assert "secret" not in line


def test_an_end_that_is_no_time_is_the_beginning() -> None:
    for moment in (float("inf"), float("nan"), -5.0):
        (taken,) = collect(changed(lambda made, at=moment: setattr(made.response, "timestamp_end", at)))[0].taken  # type: ignore[misc]
        assert taken.exchange.elapsed_ms == 0.0


@pytest.mark.parametrize("length", [LARGEST, 999_999_999_999])
def test_a_length_is_not_believed_before_the_bytes_are_there(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.flow"
    path.write_bytes(flow_file(flow_of(CALLS[0])) + b"%d:abc" % length)
    sieve = CallCollector(EndpointHosts(), print)
    tracemalloc.start()
    try:
        with path.open("rb") as file:  # a file makes room for what is asked of it
            read_flow_file("a.flow", file, sieve, print)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_flow_that_is_too_large_is_passed_over() -> None:
    class Long(io.RawIOBase):
        """A flow of more bytes than are looked into, and one behind it."""

        def __init__(self) -> None:
            self.left = LARGEST + 2
            self.rest = io.BytesIO(flow_file(flow_of(CALLS[0])))
            self.head = io.BytesIO(b"%d:" % (LARGEST + 1))

        def read(self, size: int = -1, /) -> bytes:
            if head := self.head.read(size):
                return head
            piece = bytes(min(size, self.left))
            self.left -= len(piece)
            return piece or self.rest.read(size)

    lines: list[str] = []
    sieve = CallCollector(EndpointHosts(), lines.append)
    read_flow_file("a.flow", Long(), sieve, lines.append)

    assert (len(sieve.taken), sieve.damaged) == (1, 1)
    assert "larger than" in lines[0]


@pytest.mark.parametrize(
    "value",
    [
        b"3:-1:]",
        b"4: 1:,]",
        b"5:1_0:,]",
        b"3:1:,]",
        b"5:1:aaa]",
        b"2:1:]",
        b"%d:%b]" % (3 * 200_001, b"0:~" * 200_001),
    ],
)
def test_values_that_do_not_agree_are_refused(value: bytes) -> None:
    with pytest.raises(NetstringError):
        check_netstring(value)


def test_values_that_nest_too_deep_are_refused() -> None:
    value = b"0:]"
    for _ in range(60):
        value = b"%d:%b]" % (len(value), value)

    with pytest.raises(NetstringError, match="nest too deep"):
        check_netstring(value)


def test_what_mitmproxy_writes_agrees() -> None:
    for made in (tflow.twebsocketflow(), tflow.tdnsflow(), tflow.tflow(resp=True, err=True), tflow.ttcpflow()):
        check_netstring(flow_file(made))
