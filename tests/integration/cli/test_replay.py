"""tapehead replay and serve from a recording, on the command line: a player cannot tell them from the endpoint."""

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest
import trustme

from support.certificates import proxy_options, trust_proxy
from support.exchanges import CHAPTER, Step, event, exchange, request, sent, session, start_with
from support.paths import RECORDINGS_FOLDER
from support.processes import running
from support.recordings import CAPTURES, failing, record_capture
from support.resend import (
    COMMANDS,
    another_run,
    assert_all_hits,
    assert_as_recorded,
    in_order,
    resend,
    resend_by_sid,
    summary_of,
    write,
)
from tapehead.protocol.exchange import Exchange

RECORDINGS = RECORDINGS_FOLDER
SAMPLES = tuple(path.name for path in sorted(RECORDINGS.glob("*.jsonl")))

Recorded = Callable[[str], Path]


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The recording of a capture, or the sample of that name."""
    made: dict[str, Path] = {}

    def record(name: str) -> Path:
        if name in SAMPLES:
            return RECORDINGS / name
        if name not in made:
            made[name] = record_capture(name, tmp_path_factory.mktemp("recorded") / name)
        return made[name]

    return record


# ---- As recorded ----


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", [*SAMPLES, *CAPTURES])
def test_what_was_recorded_is_answered_as_recorded(name: str, command: str, recorded: Recorded, tmp_path: Path) -> None:
    """Once as it was sent, once as another run of the player sends it: later, other ids, other spelling."""
    exchanges, summary = in_order(recorded(name)), tmp_path / "summary.json"
    with running(command, recorded(name), "--strict", "--summary", summary) as opened_door, httpx.Client() as player:
        first = resend_by_sid(player, opened_door.url, exchanges)
        second = resend_by_sid(player, opened_door.url, exchanges, another_run)
        assert opened_door.stop() == 0

    assert_as_recorded(exchanges, first)
    assert_as_recorded(exchanges, second)
    assert_all_hits(summary, 2 * len(exchanges))
    issued = [sid for sid, _ in (*first, *second) if sid]
    assert len(set(issued)) == 2
    assert set(issued).isdisjoint({each.session for each in exchanges})


@pytest.mark.parametrize("name", CAPTURES)
def test_through_https_in_regular_mode_it_is_the_same(
    name: str, recorded: Recorded, tmp_path: Path, authority: trustme.CA
) -> None:
    exchanges, summary = in_order(recorded(name)), tmp_path / "summary.json"
    options = ["--mode", "regular", "--strict", "--summary", summary, *proxy_options(tmp_path, authority)]
    with running("replay", recorded(name), *options) as proxy:
        with httpx.Client(proxy=proxy.url, verify=trust_proxy(tmp_path)) as player:
            answers = resend_by_sid(player, "https://example.hb-api.omtrdc.net", exchanges)
        assert proxy.stop() == 0

    assert_as_recorded(exchanges, answers)
    assert_all_hits(summary, len(exchanges))
    assert proxy.lines[-1] == "offline: 0 connections and look-ups attempted"


def test_https_and_http_come_in_on_one_port(recorded: Recorded, tmp_path: Path, authority: trustme.CA) -> None:
    exchanges = in_order(recorded(SAMPLES[1]))
    with running("replay", recorded(SAMPLES[1]), *proxy_options(tmp_path, authority)) as proxy:
        trust: ssl.SSLContext = trust_proxy(tmp_path)
        with httpx.Client(verify=trust) as player:
            for url in (proxy.url, proxy.url.replace("http:", "https:")):
                assert_as_recorded(exchanges, resend_by_sid(player, url, exchanges))
        assert proxy.stop() == 0


# ---- Recorded failures ----

STEPS: tuple[Step, ...] = ((1, 0, "play", {}), (11, 10, "ping", {}), (15, 14, "pauseStart", {}), (17, 14, "play", {}))


@pytest.mark.parametrize("command", COMMANDS)
def test_recorded_failures_come_back_at_their_place(command: str, tmp_path: Path) -> None:
    exchanges, summary = failing(), tmp_path / "summary.json"
    recording = write(tmp_path / "failing.jsonl", exchanges)
    with running(command, recording, "--strict", "--summary", summary) as opened_door, httpx.Client() as player:
        first = resend_by_sid(player, opened_door.url, exchanges)
        second = resend_by_sid(player, opened_door.url, exchanges)
        assert opened_door.stop() == 0

    assert_as_recorded(exchanges, first)
    assert_as_recorded(exchanges, second)
    assert_all_hits(summary, 2 * len(exchanges))


# ---- A player with another rhythm ----


def timeline(number: int) -> list[Exchange]:
    return in_order(RECORDINGS / f"timeline-{number}.jsonl")


def of_type(exchanges: list[Exchange], *types: str) -> list[Exchange]:
    return [each for each in exchanges if json.loads(each.request.content())["eventType"] in types]


def half_the_pings() -> list[Exchange]:
    skipped = of_type(timeline(1), "ping")[::2]
    return [each for each in timeline(1) if each not in skipped]


def twice_the_pings() -> list[Exchange]:
    pings = of_type(timeline(1), "ping")
    return [each for each in timeline(1) for _ in range(2 if each in pings else 1)]


def an_ad_skipped() -> list[Exchange]:
    """The ad in the middle is skipped: an adSkip comes where it was completed."""
    recorded = timeline(1)
    completed = of_type(recorded, "adComplete")[-1]
    return [_turned(each, "adSkip") if each is completed else each for each in recorded]


def an_ad_left_out() -> list[Exchange]:
    recorded = timeline(1)
    left_out = of_type(recorded, "adStart", "adComplete")[-2:]
    return [each for each in recorded if each not in left_out]


def an_extra_pause() -> list[Exchange]:
    return with_more(timeline(1), (78.0, 41, "pauseStart"), (80.0, 41, "play"))


def a_seek() -> list[Exchange]:
    return with_more(timeline(1), (78.0, 41, "pauseStart"), (78.1, 12, "play"))


def with_more(exchanges: list[Exchange], *steps: tuple[float, float, str]) -> list[Exchange]:
    """The exchanges with events more before the last: seconds since the start, playhead, type."""
    sid = exchanges[0].session or ""
    began = json.loads(exchanges[0].request.content())["playerTime"]["ts"]
    more = [
        sent(sid, {"eventType": kind, "playerTime": {"playhead": playhead, "ts": round(began + at * 1000)}})
        for at, playhead, kind in steps
    ]
    return [*exchanges[:-1], *more, exchanges[-1]]


def _turned(each: Exchange, event_type: str) -> Exchange:
    body = {**json.loads(each.request.content()), "eventType": event_type}
    changed = each.request.with_content(json.dumps(body).encode())
    return msgspec.structs.replace(each, request=changed)


# What a player does otherwise; the misses by their reasons, and the unused exchanges.
RHYTHMS: dict[str, tuple[Callable[[], list[Exchange]], list[str], list[str]]] = {
    "half the pings": (half_the_pings, [], ["ping"] * 5),
    "twice the pings": (twice_the_pings, [], []),
    "an ad skipped": (an_ad_skipped, ["no-such-event"], ["adComplete"]),
    "an ad left out": (an_ad_left_out, [], ["adStart", "adComplete"]),
    "an extra pause": (an_extra_pause, ["all-used", "all-used"], []),
    "a seek": (a_seek, ["all-used", "all-used"], []),
}


@pytest.mark.parametrize(("name", "command"), [*((name, "serve") for name in RHYTHMS), ("a seek", "replay")])
def test_a_player_with_another_rhythm_is_answered_and_the_summary_says_what_differed(
    name: str, command: str, tmp_path: Path
) -> None:
    play, reasons, unused = RHYTHMS[name]
    summary, recording = tmp_path / "summary.json", RECORDINGS / "timeline-1.jsonl"
    with running(command, recording, "--strict", "--summary", summary) as opened_door, httpx.Client() as player:
        answers = resend(player, opened_door.url, play())
        code = opened_door.stop()

    assert {answer and answer.status_code for answer in answers} <= {201, 204}
    told = summary_of(summary)["replay"]
    assert [miss["reason"] for miss in told["missed"]] == reasons
    assert [each["call"].split()[0] for each in told["unused"]] == unused
    assert told["hits"] + told["misses"] == len(answers)
    assert told["absorbed"] == (len(of_type(timeline(1), "ping")) if name == "twice the pings" else 0)
    assert code == (1 if reasons or unused else 0)
    lines = "\n".join(opened_door.lines)
    assert f"{told['hits']} hits, {counted(len(reasons))}, {len(unused)} recorded exchange" in lines
    assert ("  10 pings more than recorded, answered as the nearest" in lines) is (told["absorbed"] == 10)
    for miss in told["missed"]:
        assert f"missed {miss['call']}" in lines
    for each in told["unused"][:1]:
        assert f"unused: {recording}:{each['line']}" in lines


def counted(misses: int) -> str:
    return "1 miss" if misses == 1 else f"{misses} misses"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_miss_as_an_error_says_why_and_what_came_nearest(command: str, tmp_path: Path) -> None:
    exchanges, recording = timeline(1), RECORDINGS / "timeline-1.jsonl"
    stranger = exchange(request(start_with({"media.id": "another clip", "media.length": 7})), None)
    with running(command, recording, "--on-miss", "error") as opened_door, httpx.Client() as player:
        *_, lost, _ = resend(player, opened_door.url, with_more(exchanges, (78.0, 41, "pauseStart")))
        (unknown,) = resend(player, opened_door.url, [stranger])
        assert opened_door.stop() == 1

    assert lost is not None
    assert unknown is not None
    assert (lost.status_code, unknown.status_code) == (502, 502)
    told = lost.json()
    assert told["reason"] == "all-used"
    assert "pauseStart at 41" in told["message"]
    assert 1 <= len(told["nearest"]) <= 3
    assert f"{recording}:23" in told["nearest"][0]
    assert "playhead 31 there, 41 here" in told["nearest"][0]
    assert "seconds since the sessionStart" in told["nearest"][0]
    told = unknown.json()
    assert told["reason"] == "no-such-session"
    assert "params.media.id" in told["nearest"][0]
    assert "params.media.length" in told["nearest"][0]
    assert len(unknown.content) < 2000
    assert lost.headers["Access-Control-Allow-Origin"] == "*"
    assert sum("nearest" in line for line in opened_door.lines) >= 2


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_huge_event_missed_is_told_within_bounds(command: str, tmp_path: Path) -> None:
    sid = "recorded-sid"
    recording = write(tmp_path / "one.jsonl", session(sid, STEPS))
    huge = sent(sid, event("chapterStart", 3, 3, {**CHAPTER, "media.chapter.index": "x" * 100_000}))
    with running(command, recording, "--on-miss", "error") as opened_door, httpx.Client() as player:
        _, answer = resend(player, opened_door.url, [session(sid, [])[0], huge])
        opened_door.stop()

    assert answer is not None
    assert answer.status_code == 502
    assert len(answer.content) < 4000
    assert max(map(len, opened_door.lines)) < 2000


@pytest.mark.parametrize("command", COMMANDS)
def test_explain_says_of_each_hit_why_it_was_chosen(command: str) -> None:
    recording = RECORDINGS / "timeline-1.jsonl"
    with running(command, recording, "--explain") as opened_door, httpx.Client() as player:
        resend(player, opened_door.url, timeline(1))
        opened_door.stop()

    lines = "\n".join(opened_door.lines)
    assert "line 1 (sessionStart at 0), session" in lines
    assert "line 14 (bufferStart at 11), in-order" in lines
    assert "line 13 (ping at 8), absorbed" in lines
