"""The command `test`: its options. The work is in `tested_command`."""

from pathlib import Path
from typing import Annotated

import click

from tapehead.cli import option_types
from tapehead.cli.parameters import Argument, Option, RecordingPath
from tapehead.errors import UsageError
from tapehead.replay.on_miss import OnMiss
from tapehead.reports.report_formats import FailOn

Words = Annotated[list[str], Argument(metavar="COMMAND", help="The command that runs the test, and its arguments.")]
Replayed = Annotated[
    list[Path] | None,
    Option(
        "--replay",
        metavar="RECORDING",
        type=RecordingPath(),
        help="Answer from this recording; repeatable. Without it, the endpoint is simulated.",
    ),
]
Folder = Annotated[
    Path | None,
    Option("--out", metavar="FOLDER", help="Where the recording and the reports go; by default a new folder."),
]
AsProxy = Annotated[
    bool,
    Option("--proxy", help="Be a proxy, too, named by HTTP_PROXY and others; trusted by SSL_CERT_FILE and others."),
]


def player_test(
    command: Words,
    replay: Replayed = None,
    out: Folder = None,
    fail_on: option_types.FailOnFindings = FailOn.ERROR,
    proxy: AsProxy = False,
    endpoint: option_types.Endpoints = None,
    allow: option_types.Allow = None,
    on_miss: option_types.Miss = OnMiss.SIMULATE,
    strict: option_types.Strict = False,
    fault: option_types.Faults = None,
    latency: option_types.LatencyOption = None,
    keep_ids: option_types.KeepIds = False,
    redact_key: option_types.RedactKeys = None,
    config: option_types.ConfigFile = None,
) -> None:
    """Run a player's test with an endpoint, and audit its calls.

    Example: tapehead test --replay session.jsonl --out results -- npm test
    """
    if on_miss in (OnMiss.FORWARD, OnMiss.ONCE):
        raise UsageError(f"test cannot forward; use tapehead replay --on-miss {on_miss} --to URL")
    if allow and not proxy:
        raise UsageError("--allow needs --proxy: without it, nothing else passes through")
    options: list[str] = []
    many = (("--endpoint", endpoint), ("--allow", allow), ("--fault", fault), ("--redact-key", redact_key))
    for name, values in many:
        options += [word for value in values or () for word in (name, value)]
    options += ["--latency", latency] if latency is not None else []
    options += ["--on-miss", str(on_miss)]
    options += [name for name, value in (("--strict", strict), ("--keep-ids", keep_ids)) if value]
    options += ["--config", str(config)] if config else []
    from tapehead.cli.tested_command import run_test

    raise click.exceptions.Exit(
        run_test(command, replay or [], out, options, fail_on=fail_on, as_proxy=proxy, config=config)
    )
