"""Options that exclude or need others, since one of them would be ignored.

On the command line that is an error. A settings file and variables hold for many uses of a command: what one use cannot
take from there is left out.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tapehead.errors import UsageError
from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.recording.paths import STDIN

Params = Mapping[str, Any]

# From the strongest on.
_SOURCES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")
_FORWARDING = ("forward", "once")
_ONE = "; pass one of them"
_LINES = ": reasons stand in the lines of calls"


class Exclusion(NamedTuple):
    """Two options of which one would be ignored: parameters, the end of the message, values of the second, commands."""

    first: str
    second: str
    message: str = _ONE
    values: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Need(NamedTuple):
    """An option that would be ignored unless something holds.

    Attributes:
        option: its parameter.
        is_met: tells by the parameters whether it has an effect.
        message: the message behind the option.
        values: its values that need it; none for all but the default.
        commands: the commands; none for all that have the option.
    """

    option: str
    is_met: Callable[[Params], object]
    message: str
    values: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def _forwards(params: Params) -> bool:
    return str(params["on_miss"]) in _FORWARDING


def _can_replay(params: Params) -> bool:
    # Clients of the HTTP API can load recordings, and say how their misses are answered.
    return bool(params["recordings"]) or params["live"] is not None


def _can_simulate(params: Params) -> bool:
    return str(params["on_miss"]) != "error" or params["live"] is not None


def _has_one_file(params: Params) -> bool:
    paths = [Path(path) for path in params["recordings"] or ()]
    return len(paths) == 1 and paths[0] != STDIN and not paths[0].is_dir()


_ENGINES = ("serve", "replay")
EXCLUSIONS = (
    Exclusion(
        "to",
        "mode",
        ": pass --to URL (reverse proxy), or --mode, with --endpoint HOST for an endpoint other than "
        f"*.{ENDPOINT_DOMAIN}",
        commands=("record",),
    ),
    Exclusion("mode", "on_miss", ": misses are forwarded in a reverse proxy, to --to URL and no --mode", _FORWARDING),
    Exclusion("append", "overwrite"),
    Exclusion("redact_key", "keep_ids"),
    Exclusion("quiet", "verbose"),
    Exclusion("quiet", "table"),
    Exclusion("verbose", "table"),
    Exclusion("explain", "quiet", _LINES),
    Exclusion("explain", "table", _LINES),
    Exclusion(
        "workers",
        "on_miss",
        ": a session that one worker has begun to record anew would go on in others",
        _FORWARDING,
        ("replay",),
    ),
    Exclusion("fail_on", "no_audit"),
    Exclusion(
        "jobs", "engine", ": executors of the cluster evaluate sessions; leave out --jobs", ("spark",), ("audit",)
    ),
)
_RECORDING = "needs a RECORDING: without one, every answer is simulated"
_REPLAYED = "needs --replay RECORDING: without it, every answer is simulated"
_STORED = "needs --out FILE, for a recording of every call"
_ADDED = "needs --out FILE: without it, the recording is a new file"
_SIMULATED = "has no effect with --on-miss error, since misses are not simulated"
_FORWARDED = "needs --on-miss forward; pass it, too, or leave {option} out"
NEEDS = (
    Need("master", lambda params: str(params["engine"]) == "spark", "needs --engine spark", (), ("audit",)),
    Need(
        "workers",
        lambda params: str(STDIN) not in map(str, params["recordings"] or ()),
        "needs recordings in files: each worker reads them, and stdin can be read once",
        commands=_ENGINES,
    ),
    Need("on_miss", _has_one_file, "needs one RECORDING, the file to be made or played", ("once",), ("replay",)),
    Need("on_miss", _can_replay, _RECORDING, ("error",), _ENGINES),
    Need("on_miss", lambda params: params["replay"], _REPLAYED, ("error",), ("test",)),
    Need("latency", _can_replay, _RECORDING, ("recorded",), _ENGINES),
    Need("latency", lambda params: params["replay"], _REPLAYED, ("recorded",), ("test",)),
    *(Need(name, _can_simulate, _SIMULATED) for name in ("time_scale", "strict_schema", "second_end", "over_limit")),
    *(Need(name, _forwards, _FORWARDED, commands=("replay",)) for name in ("to", "upstream_proxy")),
    Need(
        "out",
        lambda params: str(params["on_miss"]) != "once",
        "needs --on-miss forward; with once, the recording itself is made",
        commands=("replay",),
    ),
    *(
        Need(name, lambda params: params["out"] and not _forwards(params), _STORED, commands=_ENGINES)
        for name in ("append", "overwrite", "rotate", "compress")
    ),
    *(Need(name, lambda params: params["out"], _ADDED, commands=("record",)) for name in ("append", "overwrite")),
    Need("ship", lambda params: params["out"], "needs --out FILE: the next run with that FILE ships what one has left"),
    Need("ship_delete", lambda params: params["ship"], "needs --ship URL"),
    Need(
        "token",
        lambda params: params["live"] is not None,
        "needs --live PORT; or keep the token in TAPEHEAD_TOKEN, for the runs that have --live",
    ),
    Need("live_origin", lambda params: params["live"] is not None, "needs --live PORT"),
    Need(
        "allow", lambda params: params["proxy"], "needs --proxy: without it, nothing else passes through", (), ("test",)
    ),
)


class _Options:
    """The options of a command, whose context has their values and says where they come from."""

    def __init__(self, context: Any) -> None:
        self.command = context.info_name
        self.params = context.params
        self._context = context
        self._parameters = {parameter.name: parameter for parameter in context.command.params}

    def is_given(self, name: str, values: tuple[str, ...] = ()) -> bool:
        """Return whether an option has one of the values, or any but its default."""
        value = self.params.get(name)
        if values:
            return str(value) in values
        is_empty = value is None or value is False or (isinstance(value, list | tuple) and not value)
        return not is_empty and value != self._parameters[name].default

    def rank(self, name: str) -> int:
        """Return how strong the source of an option is; 0 is the strongest."""
        source = getattr(self._context.get_parameter_source(name), "name", "")
        return _SOURCES.index(source) if source in _SOURCES else len(_SOURCES)

    def text_of(self, name: str, *, with_value: bool = False) -> str:
        """Return an option as it would be written."""
        option = next(each for each in self._parameters[name].opts if each.startswith("--"))
        return f"{option} {self.params[name]}" if with_value else str(option)

    def leave_out(self, name: str) -> None:
        """Give an option its built-in value."""
        self.params[name] = self._parameters[name].default
        self._context.set_parameter_source(name, type(self._context.get_parameter_source(name)).DEFAULT)


def settle_options(context: Any) -> None:
    """Check the options of a command, whose context has their values.

    Those that would be ignored get their built-in value if they came from the settings file or the environment.

    Raises:
        UsageError: one of the command line would be ignored.
    """
    options = _Options(context)
    for exclusion in EXCLUSIONS:
        if not exclusion.commands or options.command in exclusion.commands:
            _exclude(options, exclusion)
    for need in NEEDS:
        if need.option in options.params and (not need.commands or options.command in need.commands):
            _require(options, need)


def _exclude(options: _Options, exclusion: Exclusion) -> None:
    first, second = exclusion.first, exclusion.second
    if not (options.is_given(first) and options.is_given(second, exclusion.values)):
        return
    if options.rank(first) == options.rank(second):
        first_text = options.text_of(first)
        second_text = options.text_of(second, with_value=bool(exclusion.values))
        raise UsageError(f"{first_text} and {second_text} exclude each other{exclusion.message}")
    options.leave_out(max(first, second, key=options.rank))


def _require(options: _Options, need: Need) -> None:
    name = need.option
    if not options.is_given(name, need.values) or need.is_met(options.params):
        return
    if options.rank(name) == 0:
        text = options.text_of(name, with_value=bool(need.values))
        raise UsageError(f"{text} {need.message.format(option=text)}")
    options.leave_out(name)
