"""The options that several commands share, so that a flag means the same everywhere."""

from pathlib import Path
from typing import Annotated

import typer

from tapehead.protocol.routes import ENDPOINT_DOMAIN
from tapehead.recording.recorder_settings import Sync
from tapehead.replay.on_miss import OnMiss

Listen = Annotated[
    str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0 picks a free one and prints it.")
]
Upstream = Annotated[
    str | None, typer.Option("--to", metavar="URL", help="Record as a reverse proxy for the endpoint at URL.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Do not verify the endpoint's certificate.")]
Mode = Annotated[
    list[str] | None,
    typer.Option("--mode", metavar="MODE", help="A mitmproxy mode, such as regular or upstream:http://proxy:3128."),
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="HOST",
        help=f"A host that counts as the endpoint besides *.{ENDPOINT_DOMAIN}; repeatable.",
    ),
]
ProxyOptions = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any option of mitmproxy; repeatable.")
]
Login = Annotated[
    str | None,
    typer.Option("--proxyauth", metavar="USER:PASS|@FILE", help="Serve only who logs in; FILE is made by htpasswd -B."),
]
Clients = Annotated[
    list[str] | None,
    typer.Option("--allow-client", metavar="CIDR", help="Let in only clients with these addresses; repeatable."),
]
Open = Annotated[bool, typer.Option("--open", help="Be an open proxy, beyond this machine and for anybody.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no line per call.")]
Live = Annotated[
    int | None,
    typer.Option(
        "--live",
        metavar="PORT",
        min=0,
        max=65535,
        help="Show calls in a browser, on this machine only; 0 picks a port.",
    ),
]
DEFAULT_LISTEN = "127.0.0.1:8080"


Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="HOST", help="A host that other requests may reach over the network; repeatable."),
]
Miss = Annotated[OnMiss, typer.Option("--on-miss", help="What becomes of calls that were not recorded.")]
ForwardTo = Annotated[
    str | None, typer.Option("--to", metavar="URL", help="The endpoint that --on-miss forward goes to.")
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Where forwarded calls are recorded; the recording itself if left out.")
]
NewRecording = Annotated[
    Path | None, typer.Option("--out", help="The recording; a new one in ./recordings if left out.")
]
Append = Annotated[bool, typer.Option("--append", help="Add to a recording that is there.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a recording that is there.")]
KeepIds = Annotated[bool, typer.Option("--keep-ids", help="Store identifiers as they are, not pseudonyms.")]
SyncOption = Annotated[
    Sync, typer.Option("--sync", help="When the disk has to confirm what is written: with each call, each second.")
]
Rotate = Annotated[
    list[str] | None,
    typer.Option(
        "--rotate", metavar="SIZE|TIME", help="Begin a new file at a size or an age, such as 256MB or 1h; repeatable."
    ),
]
Compress = Annotated[bool, typer.Option("--compress", help="Compress the recording with zstd (.zst).")]
Backlog = Annotated[
    str,
    typer.Option("--backlog", metavar="SIZE", help="How much may wait in memory while the disk refuses."),
]
DEFAULT_BACKLOG = "64MB"
RedactKeys = Annotated[
    list[str] | None,
    typer.Option(
        "--redact-key",
        metavar="NAME",
        help="A key of JSON or of a query, or a header, whose values identify somebody; in any case, repeatable.",
    ),
]
Faults = Annotated[
    list[str] | None,
    typer.Option("--fault", metavar="WHERE=WHAT", help="Break answers, such as event:ping:3=410; repeatable."),
]
LatencyOption = Annotated[
    str | None, typer.Option("--latency", metavar="recorded|MS|MIN-MAX", help="How long answers wait, in milliseconds.")
]
TimeScale = Annotated[
    float, typer.Option("--time-scale", min=0.001, help="How many seconds pass for the simulated back end in one.")
]
StrictSchema = Annotated[bool, typer.Option("--strict-schema", help="Refuse undocumented parameters.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 after misses or unused exchanges.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say of hits, too, why that exchange was chosen.")]
SummaryFile = Annotated[Path | None, typer.Option("--summary", metavar="FILE", help="Write the summary as JSON.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="How many processes answer.")]
