"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import click

from tapehead.cli.parameters import Argument, Option, RecordingPath
from tapehead.errors import UsageError
from tapehead.protocol.hosts import parse_host
from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.recording.recorder_settings import Sync
from tapehead.remote.urls import TOKEN_VARIABLE
from tapehead.replay.on_miss import OnMiss
from tapehead.reports.report_formats import FailOn

# Where a command's context keeps what returns the settings of the audit.
AUDIT_SETTINGS = "tapehead.audit-settings"


Recordings = Annotated[
    list[Path],
    Argument(
        metavar="RECORDING",
        type=RecordingPath(),
        help="Recordings, HAR or flow files, folders, URLs (s3://, gs://, a --live page's), or - for stdin.",
    ),
]

# Spark has schemes of its own.
RecordingsOfAnyEngine = Annotated[
    list[Path],
    Argument(
        metavar="RECORDING",
        type=RecordingPath(any_scheme=True),
        help="Recordings, HAR or flow files, folders, URLs (s3://, gs://, a --live page's), or - for stdin.",
    ),
]

RecordingsOrNone = Annotated[
    list[Path] | None,
    Argument(
        metavar="RECORDING",
        type=RecordingPath(),
        help="Recordings, HAR or flow files, folders, URLs, or - for stdin; none, with --mode, to simulate.",
    ),
]


def _parse_hosts(_context: click.Context, parameter: click.Parameter, value: list[str] | None) -> list[str] | None:
    """Return the hosts that texts name.

    Raises:
        UsageError: one names none.
    """
    hosts = []
    for text in value or ():
        try:
            hosts.append(parse_host(text))
        except ValueError as error:
            raise UsageError(f"invalid --{parameter.name} '{text}': {error}") from error
    return hosts or None


# `command.CommandWithSettings` reads it.
ConfigFile = Annotated[
    Path | None,
    Option(
        "--config",
        metavar="FILE",
        is_eager=True,
        help="Settings file; by default the nearest tapehead.toml or pyproject.toml.",
    ),
]
Upstream = Annotated[
    str | None,
    Option("--to", metavar="URL", help="The endpoint, for a reverse proxy."),
]
Mode = Annotated[
    list[str] | None,
    Option(
        "--mode",
        metavar="MODE",
        help="Mode of mitmproxy, such as regular or upstream:http://proxy:3128; repeatable.",
    ),
]
Endpoints = Annotated[
    list[str] | None,
    Option(
        "--endpoint",
        metavar="HOST",
        callback=_parse_hosts,
        help=f"Another host or *.DOMAIN of the endpoint, besides *.{ENDPOINT_DOMAIN}; repeatable.",
    ),
]
ThroughProxy = Annotated[
    str | None,
    Option(
        "--upstream-proxy",
        metavar="URL|env",
        help="Proxy on the way to the endpoint, http://USER:PASS@HOST:PORT with a login; env: as HTTPS_PROXY says.",
    ),
]
Insecure = Annotated[bool, Option("--insecure", help="Do not verify the endpoint's certificate.")]

# ---- Audit ----

FailOnFindings = Annotated[
    FailOn,
    Option("--fail-on", metavar="error|warning|never", help="Exit with 1 on findings of this severity or worse."),
]
Expectations = Annotated[
    list[str] | None,
    Option("--expect", metavar="[EVENT_TYPE=]FILE", help="A JSON Schema that events must satisfy; repeatable."),
]
NoAudit = Annotated[bool, Option("--no-audit", help="Do not audit sessions while they are played.")]

# ---- Listening ----

DEFAULT_LISTEN = "127.0.0.1:8080"
Listen = Annotated[
    str, Option("--listen", metavar="HOST:PORT", help="Address or port to listen on; port 0 picks a free one.")
]
Login = Annotated[
    str | None,
    Option("--proxyauth", metavar="USER:PASS|@FILE", help="Require a login; FILE comes from htpasswd -B."),
]
Clients = Annotated[
    list[str] | None,
    Option("--allow-client", metavar="CIDR", help="Admit clients from this network only; repeatable."),
]
Open = Annotated[bool, Option("--open", help="Allow an open proxy: one that anybody in the network can use.")]
ProxyOptions = Annotated[
    list[str] | None, Option("--set", metavar="NAME=VALUE", help="Set an option of mitmproxy; repeatable.")
]
Live = Annotated[
    int | None,
    Option(
        "--live",
        metavar="PORT",
        within=(0, 65535),
        help="Show calls in a browser, on this machine only; port 0 picks a free one.",
    ),
]


def _refuse_empty_token(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Return the token.

    Raises:
        UsageError: it is empty.
    """
    if value == "":
        raise UsageError("--token is empty; expected 16 to 200 characters (is a variable of the shell not set?)")
    return value


Token = Annotated[
    str | None,
    Option(
        "--token",
        metavar="TOKEN",
        envvar=TOKEN_VARIABLE,
        show_envvar=False,
        callback=_refuse_empty_token,
        help="Token of the page and the HTTP API, 16 to 200 characters; else TAPEHEAD_TOKEN, or a new one.",
    ),
]
LiveOrigins = Annotated[
    list[str] | None,
    Option(
        "--live-origin", metavar="URL", help="Let pages of this origin use the HTTP API with the token; repeatable."
    ),
]
Otlp = Annotated[
    str | None,
    Option("--otlp", metavar="URL", help="Export metrics of tapehead itself to this OpenTelemetry collector, by HTTP."),
]
Quiet = Annotated[
    bool,
    Option("--quiet", "-q", help="Print no line per call."),
]
Verbose = Annotated[
    bool,
    Option(
        "--verbose",
        "-v",
        help="As --explain, and print keys of tests and findings that are not confirmed yet.",
    ),
]
Table = Annotated[
    bool,
    Option(
        "--table",
        help="Show a table of sessions on the terminal, instead of lines.",
    ),
]

# ---- Recording ----

NewRecording = Annotated[
    Path | None, Option("--out", metavar="FILE", help="The recording; by default a new one in ./recordings.")
]
Append = Annotated[bool, Option("--append", help="Add to an existing recording.")]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an existing recording.")]
KeepIds = Annotated[
    bool,
    Option("--keep-ids", help="Keep identifiers instead of pseudonyms."),
]
RedactKeys = Annotated[
    list[str] | None,
    Option(
        "--redact-key",
        metavar="NAME",
        help="Redact the values of this JSON key, query parameter or header, too; in any case; repeatable.",
    ),
]
SyncOption = Annotated[
    Sync,
    Option(
        "--sync", metavar="each|second|none", help="Sync the recording to disk with each call, each second, or never."
    ),
]
Rotate = Annotated[
    list[str] | None,
    Option(
        "--rotate", metavar="SIZE|TIME", help="Begin a new file at a size or an age, such as 256MB or 1h; repeatable."
    ),
]
Compress = Annotated[bool, Option("--compress", help="Compress the recording with zstd (.zst).")]
Ship = Annotated[
    str | None,
    Option("--ship", metavar="URL", help="Upload full files to object storage, s3://BUCKET/FOLDER or gs://..."),
]
ShipDelete = Annotated[bool, Option("--ship-delete", help="Remove files once they are in the store and verified.")]
DEFAULT_BACKLOG = "64MB"
Backlog = Annotated[
    str,
    Option("--backlog", metavar="SIZE", help="Memory for calls that wait for a disk that is full or slow."),
]

# ---- Answering ----


class SecondEndStatus(StrEnum):
    """The answer to a second sessionEnd."""

    DROPPED = "204"
    GONE = "410"


class OverLimitStatus(StrEnum):
    """The answer to events of a session that is too long."""

    TAKEN = "204"
    UNKNOWN = "404"
    GONE = "410"


Allow = Annotated[
    list[str] | None,
    Option(
        "--allow",
        metavar="HOST",
        callback=_parse_hosts,
        help="Let other requests to this host pass to the network; repeatable.",
    ),
]
Miss = Annotated[
    OnMiss,
    Option(
        "--on-miss", metavar="simulate|error|forward|once", help="How to answer calls that are not in the recording."
    ),
]
ForwardTo = Annotated[str | None, Option("--to", metavar="URL", help="The endpoint for --on-miss forward and once.")]
Out = Annotated[
    Path | None,
    Option(
        "--out",
        metavar="FILE",
        help="Record every call with its answer; with --on-miss forward, those forwarded, by default in the recording.",
    ),
]
RunRecording = Annotated[
    Path | None, Option("--out", metavar="FILE", help="Record every call with its answer, before it is sent.")
]
Faults = Annotated[
    list[str] | None,
    Option("--fault", metavar="WHERE=WHAT", help="Inject a fault, such as event:ping:3=410; repeatable."),
]
LatencyOption = Annotated[
    str | None,
    Option("--latency", metavar="recorded|MS|MIN-MAX", help="Delay answers, by milliseconds or as recorded."),
]
TimeScale = Annotated[
    float,
    Option(
        "--time-scale", metavar="FACTOR", within=(0.001, None), help="Let the simulated back end's time run faster."
    ),
]
StrictSchema = Annotated[bool, Option("--strict-schema", help="Refuse undocumented parameters in params, too.")]
SecondEnd = Annotated[
    SecondEndStatus,
    Option("--second-end", metavar="204|410", help="Status for a second sessionEnd of a simulated session."),
]
OverLimit = Annotated[
    OverLimitStatus,
    Option(
        "--over-limit", metavar="204|404|410", help="Status for events of a simulated session of more than 24 hours."
    ),
]
Strict = Annotated[bool, Option("--strict", help="Exit with 1 after misses or unused exchanges, or no call.")]
Explain = Annotated[bool, Option("--explain", help="Print behind each call why it got that answer; -v prints more.")]
SummaryFile = Annotated[Path | None, Option("--summary", metavar="FILE", help="Write a summary as JSON.")]
Workers = Annotated[int, Option("--workers", metavar="N", within=(1, 64), help="Processes that share the port.")]
