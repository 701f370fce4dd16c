"""Options that are read without a copy: the same values as mitmproxy's, and none that a reader may change."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy import exceptions, options

from tapehead.proxy.plain_options import PlainOptions

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "listen_port": st.none() | st.integers(0, 65535),
    "listen_host": st.text(max_size=5),
    "server": st.booleans(),
    "mode": st.lists(st.sampled_from(["regular", "socks5"]), max_size=2),
    "ssl_verify_upstream_trusted_ca": st.none() | st.text(max_size=5),
}
changes_of_options = st.fixed_dictionaries({}, optional=VALUES)


@settings(deadline=None)
@given(st.lists(changes_of_options | st.none(), max_size=3))
def test_options_have_the_values_of_mitmproxy(changes: list[dict[str, Any] | None]) -> None:
    ours, theirs = PlainOptions(), options.Options()
    for change in changes:
        for each in (ours, theirs):
            each.reset() if change is None else each.update(**change)

    assert {name: getattr(ours, name) for name in sorted(theirs.keys())} == {
        name: getattr(theirs, name) for name in sorted(theirs.keys())
    }
    assert ours == theirs


def test_a_change_that_is_refused_is_taken_back() -> None:
    opts = PlainOptions()

    def refuse(*_: object) -> None:
        raise exceptions.OptionsError

    opts.subscribe(refuse, ["listen_port"])  # type: ignore[no-untyped-call]
    with pytest.raises(exceptions.OptionsError):
        opts.update(listen_port=1)  # type: ignore[no-untyped-call]

    assert opts.listen_port is None


def test_a_list_is_a_copy() -> None:
    opts = PlainOptions()
    opts.mode.append("socks5")

    assert opts.mode == ["regular"]


def test_there_is_no_other_option() -> None:
    with pytest.raises(AttributeError, match="No such option: other"):
        _ = PlainOptions().other
