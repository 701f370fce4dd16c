"""The options of the script for mitmproxy's tools: their declaration, and what they ask for."""

import math
from collections.abc import Sequence
from pathlib import Path

from mitmproxy import ctx
from mitmproxy.addonmanager import Loader

from tapehead.auditor.settings import AuditSettings
from tapehead.cli.command import load_audit_settings
from tapehead.cli.offline_run import EngineSettings
from tapehead.cli.option_parsing import SimulationSettings, parse_live, simulation_settings
from tapehead.cli.option_types import DEFAULT_BACKLOG
from tapehead.cli.run_journal import JournalOptions
from tapehead.errors import UsageError
from tapehead.live.live_settings import LiveSettings
from tapehead.protocol.hosts import parse_host
from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.recording.paths import COMPRESSED_SUFFIX, GZIP_SUFFIX, check_outputs, input_path, new_recording
from tapehead.recording.recorder_settings import StoreSettings, Sync, parse_rotation, parse_size
from tapehead.remote.urls import is_url, without_secrets
from tapehead.replay.on_miss import OnMiss
from tapehead.reports.report_formats import FailOn
from tapehead.simulator.faults import Fault, Latency, parse_fault, parse_latency

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
        "tapehead_backlog",
        "tapehead_config",
        "tapehead_fail_on",
        "tapehead_no_audit",
    }
)
# Options that need answers of tapehead's own.
_OF_ANSWERS = ("tapehead_fault", "tapehead_latency")
_OF_SIMULATION = ("tapehead_time_scale", "tapehead_strict_schema", "tapehead_second_end", "tapehead_over_limit")
LIVE_OPTIONS = ("tapehead_live", "tapehead_token", "tapehead_live_origin")
# Options whose change starts a new replay or simulation.
OF_ENGINE = frozenset(
    {
        "tapehead_replay",
        "tapehead_simulate",
        "tapehead_on_miss",
        "tapehead_endpoint",
        "tapehead_redact",
        "tapehead_redact_key",
        "tapehead_config",
        *_OF_ANSWERS,
        *_OF_SIMULATION,
    }
)
LEAST_TIME_SCALE = 0.001
MOST_PORT = 65535


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
    add("tapehead_token", str, "", "Token of the page and the API; by default a new one.")
    text = "Let pages of this origin use the API with the token."
    add("tapehead_live_origin", names, [], text)
    add("tapehead_config", str, "", "Settings file; by default the nearest tapehead.toml or pyproject.toml.")
    text = "End with exit code 1 on findings of this severity or worse."
    add("tapehead_fail_on", str, FailOn.NEVER.value, text, [severity.value for severity in FailOn])
    add("tapehead_no_audit", bool, False, "Check single calls alone, and not the sessions that they belong to.")
    add("tapehead_redact", bool, True, "Store pseudonyms for identifiers of people and devices.")
    add("tapehead_redact_key", names, [], "Keys and headers with identifying values, besides the built-in ones.")
    text = "When the disk has to confirm what was written."
    add("tapehead_sync", str, Sync.SECOND.value, text, choices=[sync.value for sync in Sync])
    add("tapehead_rotate", names, [], "Start a new file at these sizes or ages, such as 256MB, 1h.")
    add("tapehead_backlog", str, DEFAULT_BACKLOG, "Memory for calls that wait for a disk that is full or slow.")
    add("tapehead_endpoint", names, [], f"Hosts that count as the endpoint besides *.{ENDPOINT_DOMAIN}.")


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
        ("tapehead_fail_on", list(FailOn)),
        ("tapehead_second_end", SECOND_END),
        ("tapehead_over_limit", OVER_LIMIT),
    ):
        if (value := getattr(options, name)) not in values:
            raise UsageError(f"{name} is '{value}'; expected one of {', '.join(values)}")
    if options.tapehead_no_audit and options.tapehead_fail_on != FailOn.NEVER:
        raise UsageError("tapehead_fail_on and tapehead_no_audit exclude each other; set one of them")
    if options.tapehead_redact_key and not options.tapehead_redact:
        raise UsageError("tapehead_redact_key needs tapehead_redact; set it to true, or leave out the keys")
    if not all(name.strip() for name in options.tapehead_redact_key):
        raise UsageError("tapehead_redact_key is empty; expected the name of a key, such as userId")
    live_settings()
    audit_settings()
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


def live_settings() -> LiveSettings | None:
    """Return the live page that the options ask for; None for none.

    Raises:
        UsageError: an option is malformed.
    """
    options, port = ctx.options, ctx.options.tapehead_live
    if port is not None and not 0 <= port <= MOST_PORT:
        raise UsageError(f"tapehead_live is {port}; expected a port from 0 to {MOST_PORT}")
    return parse_live(port, options.tapehead_token, options.tapehead_live_origin, LIVE_OPTIONS)


def journal_options() -> JournalOptions:
    """Return the journal that the options ask for, and its recording.

    Raises:
        UsageError: an option is malformed.
    """
    options = ctx.options
    keep_ids, redact_keys = not options.tapehead_redact, tuple(options.tapehead_redact_key)
    rotation = parse_rotation(options.tapehead_rotate, "tapehead_rotate")
    backlog = parse_size(options.tapehead_backlog, "tapehead_backlog")
    store = None
    if options.tapehead_record:
        if is_url(options.tapehead_record):
            raise UsageError(
                f"tapehead_record is '{without_secrets(options.tapehead_record)}'; expected a path, no URL"
            )
        path = Path(options.tapehead_record)
        out = path if path.suffix in (".jsonl", COMPRESSED_SUFFIX, GZIP_SUFFIX) else new_recording(path)
        check_outputs([out], map(input_path, options.tapehead_replay))
        store = StoreSettings(
            out=out,
            append=True,
            keep_ids=keep_ids,
            redact_keys=redact_keys,
            sync=Sync(options.tapehead_sync),
            rotation=rotation,
            backlog=backlog,
        )
    return JournalOptions(
        store=store,
        load_settings=lambda: load_audit_settings(_config()),
        fail_on=FailOn(options.tapehead_fail_on),
        is_audited=not options.tapehead_no_audit,
        keep_ids=keep_ids,
        redact_keys=redact_keys,
    )


def audit_settings() -> AuditSettings:
    """Return the settings of the audit, from the settings file if there is one.

    Raises:
        UsageError: it cannot be read, or has an error in it.
    """
    settings: AuditSettings = load_audit_settings(_config())()
    return settings


def engine_settings() -> EngineSettings | None:
    """Return the engine that answers collection calls; None if the tool lets them pass.

    Raises:
        UsageError: an option is malformed.
    """
    options = ctx.options
    if not (options.tapehead_simulate or options.tapehead_replay):
        return None
    return EngineSettings(
        recordings=tuple(map(input_path, options.tapehead_replay)),
        endpoints=tuple(endpoints()),
        on_miss=OnMiss(options.tapehead_on_miss),
        faults=tuple(_faults()),
        latency=_latency(),
        simulation=_simulation(),
        keep_ids=not options.tapehead_redact,
        redact_keys=tuple(options.tapehead_redact_key),
    )


def _config() -> Path | None:
    return Path(ctx.options.tapehead_config) if ctx.options.tapehead_config else None


def _faults() -> list[Fault]:
    return [parse_fault(text, "tapehead_fault") for text in ctx.options.tapehead_fault]


def _latency() -> Latency | None:
    text = ctx.options.tapehead_latency
    return parse_latency(text, "tapehead_latency") if text else None


def _simulation() -> SimulationSettings:
    options, text = ctx.options, ctx.options.tapehead_time_scale
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale >= LEAST_TIME_SCALE):
        raise UsageError(f"tapehead_time_scale is '{text}'; expected a number of {LEAST_TIME_SCALE} or more")
    return simulation_settings(
        _config(), options.tapehead_strict_schema, scale, options.tapehead_second_end, options.tapehead_over_limit
    )
