"""Messages without checks of types: for as long as the proxy runs; our own answers pass the check."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.test import tutils

from tapehead.protocol.messages import Response
from tapehead.proxy.flows import cut, to_mitmproxy
from tapehead.proxy.unchecked_messages import unchecked_messages

check: Any = http.MessageData.__post_init__
texts = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=9)


def wrong_request() -> Any:
    state = tutils.treq().get_state()
    return http.RequestData.from_state({**state, "port": "80"})


def test_types_are_not_checked_while_the_proxy_runs() -> None:
    with unchecked_messages():
        assert wrong_request().port == "80"
    with pytest.raises(TypeError, match="Expected <class 'int'> for port"):
        wrong_request()


def test_messages_are_the_same_without_the_check() -> None:
    checked = tutils.treq(timestamp_start=0), tutils.tresp(timestamp_start=0)
    with unchecked_messages():
        assert (tutils.treq(timestamp_start=0).data, tutils.tresp(timestamp_start=0).data) == tuple(
            each.data for each in checked
        )


def test_the_check_comes_back_after_a_failure() -> None:
    with pytest.raises(KeyError), unchecked_messages():
        raise KeyError
    assert http.MessageData.__post_init__ is check


@settings(deadline=None)
@given(
    st.builds(
        Response,
        status=st.integers(200, 599),
        reason=texts,
        headers=st.lists(st.tuples(texts, texts), max_size=3),
        text=st.none() | st.text(max_size=9),
    ),
    st.booleans(),
)
def test_our_answers_have_the_types_that_mitmproxy_checks(response: Response, is_cut: bool) -> None:
    with unchecked_messages():
        converted = to_mitmproxy(response)
        if is_cut:
            cut(converted)

    check(converted.data)
