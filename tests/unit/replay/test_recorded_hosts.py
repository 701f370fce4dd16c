"""Recorded sessions of one content on several hosts are told apart by the host that a player calls."""

import msgspec
import pytest

from support.exchanges import HOST, Player, event, exchange, opened, request, response, sent, start
from support.replay import replay_of, replay_summary
from tapehead.protocol.exchange import Exchange
from tapehead.protocol.messages import Request


def on_host(exchanges: list[Exchange], host: str) -> list[Exchange]:
    return [
        msgspec.structs.replace(each, request=each.request.with_url(each.request.url.replace(HOST, f"https://{host}")))
        for each in exchanges
    ]


def calling(player: Player, host: str, asked: Request) -> int:
    return player.call(asked.with_url(asked.url.replace(HOST, f"https://{host}")))


HOSTS = tuple(f"stage-{number}.example" for number in range(6))


def recorded_on_six_hosts(*, same_sid: bool) -> list[Exchange]:
    """Sessions of one content on six hosts, whose events interleave; the play of each is answered by its own status."""
    sessions = []
    for number, host in enumerate(HOSTS):
        sid = "abc" if same_sid else f"sid-{number}"
        own = [
            opened(sid, start()),
            sent(sid, event("play"), 1 + number / 10, 430 + number),
            sent(sid, event("ping", 9), 9),
        ]
        sessions.append(on_host(own, host))
    return [step for steps in zip(*sessions, strict=True) for step in steps]


@pytest.mark.parametrize("same_sid", [False, True])
@pytest.mark.parametrize("files", [1, 6])
def test_each_player_gets_the_sequence_of_its_own_host(files: int, same_sid: bool) -> None:
    recorded = recorded_on_six_hosts(same_sid=same_sid)
    player = Player(replay_of(*(recorded[number::files] for number in range(files))))
    # Others take turns in recorded order, so the order of the players is another.
    for number in (3, 0, 5, 4, 1, 2, 2, 3):
        host = HOSTS[number]
        calling(player, host, request(start()))
        path = f"{(player.header('Location') or '').partition('.example')[2] or player.header('Location')}/events"
        assert calling(player, host, request(event("play"), path)) == 430 + number
    assert replay_summary(player).misses == 0


def test_on_a_host_that_was_not_recorded_equals_take_turns() -> None:
    player = Player(replay_of(recorded_on_six_hosts(same_sid=False)))
    statuses = []
    for _ in range(7):
        player.open()
        statuses.append(player.send("play"))

    assert statuses == [430, 431, 432, 433, 434, 435, 430]


@pytest.mark.parametrize("called", ["stage-1.example:443", "STAGE-1.example"])
def test_a_host_is_the_same_in_another_spelling(called: str) -> None:
    player = Player(replay_of(recorded_on_six_hosts(same_sid=False)))
    calling(player, called, request(start()))
    path = f"{player.header('Location')}/events"

    assert calling(player, called, request(event("play"), path)) == 431


def test_a_host_comes_before_a_better_fit_elsewhere() -> None:
    older = start(params=start()["params"] | {"media.name": "Older name"})
    recorded = [
        on_host(
            [exchange(request(body), response(201, [("Location", "/api/v1/sessions/abc"), ("X-From", host)]))], host
        )
        for body, host in ((start(), "a.example"), (older, "b.example"))
    ]
    player = Player(replay_of(*recorded))
    calling(player, "b.example", request(start()))

    assert player.header("X-From") == "b.example"


def test_schemas_and_preflights_of_the_called_host_come_first() -> None:
    schema = request(b"", "/api/v1/schemas/ping", "GET")
    preflight = request(b"", "/api/v1/sessions", "OPTIONS")
    recorded = []
    for host in ("a.example", "b.example"):
        answer = response(200, [("X-From", host[0])], b"{}")
        recorded += on_host([exchange(schema, answer), exchange(preflight, answer)], host)
    player = Player(replay_of(recorded))

    for host in ("b.example", "a.example", "b.example"):
        for asked in (schema, preflight):
            calling(player, host, asked)
            assert player.header("X-From") == host[0]
