"""Flow files: other kinds of flows, older versions, cut and damaged ones, and lengths that lie."""

import contextlib
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
    """What a collector has of a flow file, and what was complained of."""
    lines: list[str] = []
    collector = CallCollector(EndpointHosts(named), lines.append)
    collector.start_file("a.flow")
    read_flow_file("a.flow", io.BytesIO(data), collector, lines.append)
    with contextlib.suppress(RecordingError):  # there is no call in it
        collector.finish_file()
    return collector, lines


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
    collector, lines = collect(flow_file(*others, flow_of(CALLS[0])))

    assert (len(collector.calls), collector.others, lines) == (1, 4, [])


def test_in_reverse_mode_all_hosts_count() -> None:
    def change(made: http.HTTPFlow) -> None:
        made.request.host = "10.0.0.1"
        made.request.headers["Host"] = "10.0.0.1"

    def behind(made: http.HTTPFlow) -> None:
        change(made)
        made.client_conn.proxy_mode = mode_specs.ProxyMode.parse("reverse:http://10.0.0.1")

    assert collect(changed(change))[0].calls == []
    assert len(collect(changed(behind))[0].calls) == 1
    assert len(collect(changed(change), "10.0.0.1")[0].calls) == 1


def test_a_host_counts_by_its_name_or_its_address() -> None:
    def change(made: http.HTTPFlow) -> None:
        made.request.host, made.request.headers["Host"] = "10.0.0.1", "example.hb-api.omtrdc.net"

    assert len(collect(changed(change))[0].calls) == 1


def test_a_request_that_failed_has_its_error_and_no_answer() -> None:
    (call,) = collect(flow_file(flow_of(sent("s1", {}, answered=None))))[0].calls

    assert call.exchange.response is None
    assert call.exchange.error == "the connection was reset"
    assert call.exchange.elapsed_ms == 0.0


def test_a_request_whose_answer_was_not_saved_says_so() -> None:
    (call,) = collect(changed(lambda made: setattr(made, "response", None)))[0].calls

    assert (call.exchange.response, call.exchange.error) == (None, "the flow file has no response")
    assert call.exchange.elapsed_ms == 0.0


def test_a_body_that_went_by_as_a_stream_is_missing() -> None:
    collector, _ = collect(changed(lambda made: setattr(made.request, "raw_content", None)))

    assert (len(collector.calls), collector.without_body) == (1, 1)


def test_a_coded_body_is_unpacked() -> None:
    (call,) = collect(changed(lambda made: made.request.encode("gzip")))[0].calls

    assert call.exchange.request.content() == opened("s1", start()).request.content()


def test_an_older_version_goes_through_the_converter_of_mitmproxy() -> None:
    def older(made: dict[str, object]) -> None:
        made["version"] = 20

    assert len(collect(state(older))[0].calls) == 1


@pytest.mark.parametrize("at", [1, 3, 100, -1])
def test_what_stands_before_a_cut_is_imported(at: int) -> None:
    whole, last = flow_file(*map(flow_of, CALLS[:2])), flow_file(flow_of(CALLS[2]))
    collector, lines = collect(whole + last[:at])

    assert len(collector.calls) == 2
    assert lines == ["a.flow: the file is cut short after flow 2; the flows before it are imported"]


@pytest.mark.parametrize("rubbish", [b"\x00", b"{}", b"12x", b":", b"1234567890123:x", b"\n"])
def test_rubbish_behind_flows_is_told_of(rubbish: bytes) -> None:
    collector, lines = collect(flow_file(flow_of(CALLS[0])) + rubbish)

    assert len(collector.calls) == 1
    assert lines == ["a.flow: there is something else than a flow after flow 1; the flows before it are imported"]


@pytest.mark.parametrize("data", [b"5", b"5:", b"999999999999:", b"12:abc", b"5x"])
def test_a_file_without_a_flow_is_refused(data: bytes) -> None:
    with pytest.raises(RecordingError, match=r"a\.flow' is not a flow file"):
        collect(data)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"3:abc,", "mitmproxy cannot read it"),
        (b"0:}", "mitmproxy cannot read it"),
        (b"0:?", "mitmproxy cannot read it"),
        (b"6:-1:-1:}", "the lengths in it do not agree"),
        (b"4:9:a,]", "the lengths in it do not agree"),
        (state(lambda made: made.update(version=99)), "(flow format version 99"),
        (state(lambda made: made.update(type="secret")), "mitmproxy cannot read it ("),
        (state(lambda made: made.pop("request")), "mitmproxy cannot read it ("),
        (state(lambda made: made.update(request="secret")), "mitmproxy cannot read it ("),
        (
            changed(lambda made: setattr(made.request, "timestamp_start", float("nan"))),
            "its time is not between",
        ),
        (
            changed(lambda made: setattr(made.request, "timestamp_start", 1e300)),
            "its time is not between",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "flow",  # a flow has random ids in it
)
def test_a_damaged_flow_is_told_of_and_hides_no_other(damaged: bytes, reason: str) -> None:
    good = flow_file(flow_of(CALLS[0]))
    collector, lines = collect(good + damaged + good)

    assert (len(collector.calls), collector.malformed) == (2, 1)
    (line,) = lines
    assert line.startswith("a.flow: skipped flow 2, which is malformed: ")
    assert reason in line
    assert "secret" not in line


def test_an_end_that_is_no_time_is_the_beginning() -> None:
    for moment in (float("inf"), float("nan"), -5.0):
        (call,) = collect(changed(lambda made, at=moment: setattr(made.response, "timestamp_end", at)))[0].calls  # type: ignore[misc]
        assert call.exchange.elapsed_ms == 0.0


@pytest.mark.parametrize("length", [LARGEST, 999_999_999_999])
def test_a_length_is_not_believed_before_the_bytes_are_there(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.flow"
    path.write_bytes(flow_file(flow_of(CALLS[0])) + b"%d:abc" % length)
    collector = CallCollector(EndpointHosts(), print)
    tracemalloc.start()
    try:
        with path.open("rb") as file:  # a file makes room for what is asked of it
            read_flow_file("a.flow", file, collector, print)
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
    collector = CallCollector(EndpointHosts(), lines.append)
    read_flow_file("a.flow", Long(), collector, lines.append)

    assert (len(collector.calls), collector.malformed) == (1, 1)
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
