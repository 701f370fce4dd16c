"""The options of the script for mitmproxy's tools: their declaration, and what they ask for."""

import math
import random
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from tapehead.answers import Engine
from tapehead.auditor.settings import AuditSettings
from tapehead.errors import UsageError
from tapehead.journal.journal_run import JournalSettings
from tapehead.protocol.hosts import parse_host
from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.protocol.schemas import Schemas
from tapehead.recording.paths import COMPRESSED_SUFFIX, check_outputs, new_recording
from tapehead.recording.reader import RecordingReader
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation
from tapehead.redaction.excerpts import ExcerptRedactor
from tapehead.redaction.redactor import Redactor
from tapehead.replay.index import build_index, schemas_of
from tapehead.replay.on_miss import OnMiss
from tapehead.replay.replayer import Replayer
from tapehead.simulator.endpoint import SimulatedEndpoint, Simulator
from tapehead.simulator.faults import Fault, Latency, parse_fault, parse_latency
from tapehead.simulator.keyed_engine import KeyedEngine

# Forwarding is what the tool does anyway, without tapehead.
MISSES = [OnMiss.SIMULATE.value, OnMiss.ERROR.value]
SECOND_END, OVER_LIMIT = ["204", "410"], ["204", "404", "410"]
# Options whose change starts a new recording, or a new journal.
OF_JOURNAL = frozenset(
    {
        "tapehead_record",
        "tapehead_redact",
        "tapehead_redact_key",
        "tapehead_sync",
        "tapehead_rotate",
        "tapehead_no_audit",
    }
)
# Options that need answers of tapehead's own.
_OF_ANSWERS = ("tapehead_fault", "tapehead_latency")
_OF_SIMULATION = ("tapehead_time_scale", "tapehead_strict_schema", "tapehead_second_end", "tapehead_over_limit")
# Options whose change starts a new replay or simulation.
OF_ENGINE = frozenset(
    {
        "tapehead_replay",
        "tapehead_simulate",
        "tapehead_on_miss",
        "tapehead_endpoint",
        "tapehead_redact",
        "tapehead_redact_key",
        *_OF_ANSWERS,
        *_OF_SIMULATION,
    }
)
LEAST_TIME_SCALE = 0.001
MOST_PORT = 65535

# Opens files, given what warns of the problems in them.
OpenRecordings = Callable[[Sequence[str | Path], Callable[[str], None]], RecordingReader]


def declare(loader: Loader) -> None:
    """Declare the options."""
    add, names = loader.add_option, Sequence[str]
    add("tapehead_record", str, "", "Record calls into this .jsonl or .jsonl.zst file or this directory.")
    add("tapehead_replay", names, [], "Answer collection calls from these recordings.")
    add("tapehead_simulate", bool, False, "Answer collection calls without a recording.")
    text = "How to answer calls that are not in the recording."
    add("tapehead_on_miss", str, OnMiss.SIMULATE.value, text, choices=MISSES)
    add("tapehead_fault", names, [], "Faults to inject into answers, such as event:ping:3=410.")
    add("tapehead_latency", str, "", "Delay answers by milliseconds, MIN-MAX, or 'recorded'.")
    add("tapehead_time_scale", str, "1", "Let the simulated back end's time run faster by this factor.")
    add(
        "tapehead_strict_schema",
        bool,
        False,
        "Refuse undocumented parameters in params, too, where calls are simulated.",
    )
    add("tapehead_second_end", str, SECOND_END[0], "Status for a second sessionEnd of a simulated session.", SECOND_END)
    text = "Status for events of a simulated session of more than 24 hours."
    add("tapehead_over_limit", str, OVER_LIMIT[0], text, OVER_LIMIT)
    text = "Show calls in a browser, on this machine only; port 0 picks a free one."
    add("tapehead_live", int | None, None, text)  # type: ignore[arg-type]
    add("tapehead_no_audit", bool, False, "Check single calls alone, and not the sessions that they belong to.")
    add("tapehead_redact", bool, True, "Store pseudonyms for identifiers of people and devices.")
    add("tapehead_redact_key", names, [], "Keys and headers with identifying values, besides the built-in ones.")
    text = "When the disk has to confirm what was written."
    add("tapehead_sync", str, Sync.SECOND.value, text, choices=[sync.value for sync in Sync])
    add("tapehead_rotate", names, [], "Start a new file at these sizes or ages, such as 256MB, 1h.")
    add("tapehead_endpoint", names, [], f"Hosts that count as the endpoint besides *.{ENDPOINT_DOMAIN}.")


class Simulation(NamedTuple):
    """Arguments of the simulated endpoint, as `SimulatedEndpoint` takes them."""

    strict: bool
    time_scale: float
    second_end: int
    over_limit: int


class Answers(NamedTuple):
    """The engine that answers collection calls, and its parts.

    Attributes:
        engine: the engine.
        replayer: the recorded endpoint; None where all is simulated.
        names: the names of the recordings.
    """

    engine: KeyedEngine
    replayer: Replayer | None
    names: tuple[str, ...]


def check_together() -> None:
    """Check that the options fit together.

    Raises:
        UsageError: they do not.
    """
    options = ctx.options
    if options.tapehead_simulate and options.tapehead_replay:
        raise UsageError("tapehead_simulate and tapehead_replay exclude each other; set one of them")
    for name, values in (
        ("tapehead_on_miss", MISSES),
        ("tapehead_sync", list(Sync)),
        ("tapehead_second_end", SECOND_END),
        ("tapehead_over_limit", OVER_LIMIT),
    ):
        if (value := getattr(options, name)) not in values:
            raise UsageError(f"{name} is '{value}'; expected one of {', '.join(values)}")
    live = options.tapehead_live
    if live is not None and not 0 <= live <= MOST_PORT:
        raise UsageError(f"tapehead_live is {live}; expected a port from 0 to {MOST_PORT}")
    _faults()
    _latency()
    _simulation()
    if not (options.tapehead_simulate or options.tapehead_replay):
        for name in (*_OF_ANSWERS, *_OF_SIMULATION):
            if getattr(options, name) != options.default(name):
                raise UsageError(f"{name} needs tapehead_simulate or tapehead_replay; set one of them, too")


def endpoints() -> list[str]:
    """Return the hosts that tapehead_endpoint names.

    Raises:
        UsageError: a text names none.
    """
    texts = ctx.options.tapehead_endpoint
    try:
        return [parse_host(text) for text in texts]
    except ValueError as error:
        raise UsageError(f"tapehead_endpoint is '{', '.join(texts)}'; {error}") from error


def journal_settings() -> JournalSettings:
    """Return the journal that the options ask for, and its recording.

    Raises:
        UsageError: an option is malformed.
    """
    options = ctx.options
    keep_ids, redact_keys = not options.tapehead_redact, tuple(options.tapehead_redact_key)
    store = None
    if options.tapehead_record:
        path = Path(options.tapehead_record)
        out = path if path.suffix in (".jsonl", COMPRESSED_SUFFIX) else new_recording(path)
        check_outputs([out], map(Path, options.tapehead_replay))
        store = StoreSettings(
            out=out,
            append=True,
            keep_ids=keep_ids,
            redact_keys=redact_keys,
            sync=Sync(options.tapehead_sync),
            rotation=parse_rotation(options.tapehead_rotate, "tapehead_rotate"),
        )
    audit = None if options.tapehead_no_audit else AuditSettings()
    return JournalSettings(store=store, audit=audit, keep_ids=keep_ids, redact_keys=redact_keys)


def make_answers(open_recordings: OpenRecordings, warn: Callable[[str], None]) -> Answers | None:
    """Return what answers collection calls; None if the tool lets them pass.

    Raises:
        RecordingError: a recording cannot be read.
        UsageError: an option is malformed.
    """
    options = ctx.options
    names: tuple[str, ...] = ()
    replayer, simulation = None, _simulation()._asdict()
    if options.tapehead_simulate:
        engine: Engine = Simulator(random_bytes=secrets.token_bytes, **simulation)
    elif options.tapehead_replay:
        entries = open_recordings(options.tapehead_replay, warn).by_file()
        index = build_index(entries.values())
        names, schemas = tuple(map(str, entries)), schemas_of(index)
        keys = options.tapehead_redact_key
        redactor = Redactor(secrets.token_bytes(32), keys) if options.tapehead_redact else None
        engine = replayer = Replayer(
            index,
            schemas,
            random_bytes=secrets.token_bytes,
            on_miss=OnMiss(options.tapehead_on_miss),
            endpoint=_endpoint(schemas, simulation),
            files=names,
            excerpts=ExcerptRedactor(redactor),
            warn=warn,
        )
    else:
        return None
    # The same latencies in every run.
    chance = random.Random(0).random  # noqa: S311 - no secret
    return Answers(KeyedEngine(engine, _faults(), _latency(), chance), replayer, names)


def _endpoint(schemas: Schemas, simulation: dict[str, object]) -> SimulatedEndpoint:
    return SimulatedEndpoint(schemas, random_bytes=secrets.token_bytes, **simulation)  # type: ignore[arg-type]


def _faults() -> list[Fault]:
    return [parse_fault(text, "tapehead_fault") for text in ctx.options.tapehead_fault]


def _latency() -> Latency | None:
    text = ctx.options.tapehead_latency
    return parse_latency(text, "tapehead_latency") if text else None


def _simulation() -> Simulation:
    options, text = ctx.options, ctx.options.tapehead_time_scale
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale >= LEAST_TIME_SCALE):
        raise UsageError(f"tapehead_time_scale is '{text}'; expected a number of {LEAST_TIME_SCALE} or more")
    return Simulation(
        options.tapehead_strict_schema, scale, int(options.tapehead_second_end), int(options.tapehead_over_limit)
    )
