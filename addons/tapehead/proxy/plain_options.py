"""Options of mitmproxy that are read without a copy where their value cannot be changed in place."""

from typing import Any

from mitmproxy import options, optmanager

_IMMUTABLE = (bool, int, str, type(None))


class PlainOptions(options.Options):
    """Options of a lean proxy; mitmproxy makes a deep copy at each reading, several times for a request."""

    def __getattr__(self, name: str) -> Any:
        option = self._options.get(name)
        if option is not None:
            value = option._default if option.value is optmanager.unset else option.value
            if isinstance(value, _IMMUTABLE):
                return value
        return super().__getattr__(name)  # type: ignore[no-untyped-call]
