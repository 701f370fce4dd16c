"""The options of the script for mitmproxy's tools, and those of the commands that they stand for."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from tapehead.mitmproxy_script.options import declare

PREFIX = "tapehead_"
# Where the name is another one: the command with the option, or what stands for it.
OTHERS = {
    "tapehead_record": "record --out",
    "tapehead_replay": "replay RECORDING",
    "tapehead_simulate": "serve",
    "tapehead_redact": "--keep-ids",
}
# Options of the commands that the script has not, and why.
MISSING = {
    "allow": "mitmproxy lets other requests pass",
    "allow-client": "`block_global`, `block_private` of mitmproxy",
    "append": "a recording is always added to",
    "compress": "a name that ends in `.jsonl.zst` compresses",
    "explain": "the log of calls is mitmproxy's; a recording and the live page have the reason of each answer",
    "insecure": "`ssl_insecure` of mitmproxy",
    "listen": "`listen_host` and `listen_port` of mitmproxy",
    "mode": "`mode` of mitmproxy",
    "open": "access is mitmproxy's",
    "otlp": "`tapehead_live` serves the same metrics as `/metrics`",
    "overwrite": "a recording is always added to",
    "proxyauth": "`proxyauth` of mitmproxy",
    "quiet": "`termlog_verbosity` of mitmproxy",
    "set": "`--set` of mitmproxy",
    "ship": "uploads are for a service that runs on, which `record` is; any tool can upload the full files",
    "ship-delete": "see `--ship`",
    "strict": "it judges the run of a test, which has no use for a tool that is watched",
    "summary": "it is for the run of a test; the log has the summary",
    "table": "mitmproxy and mitmweb have a list of calls",
    "to": "`--mode reverse:URL` of mitmproxy",
    "upstream-proxy": "`--mode upstream:URL` of mitmproxy",
    "verbose": "`termlog_verbosity` of mitmproxy",
    "workers": "mitmproxy is one process",
}


class ScriptOption(NamedTuple):
    """An option of the script."""

    name: str
    default: Any
    help: str
    choices: tuple[str, ...]

    @property
    def key(self) -> str:
        """The option of a command that it stands for, without dashes."""
        return OTHERS.get(self.name, self.name.removeprefix(PREFIX).replace("_", "-")).split()[-1].removeprefix("--")


class _Loader:
    """Takes declarations as mitmproxy does."""

    def __init__(self) -> None:
        self.options: list[ScriptOption] = []

    def add_option(self, name: str, _kind: object, default: object, text: str, choices: Any = ()) -> None:
        self.options.append(ScriptOption(name, default, text, tuple(choices or ())))


def script_options() -> list[ScriptOption]:
    """Return the options in the order of their declaration."""
    loader = _Loader()
    declare(loader)  # type: ignore[arg-type]
    return loader.options


def page() -> Iterator[str]:
    """Yield the lines of the documentation."""
    yield "\n# tapehead's options in mitmproxy's own tools\n"
    yield '`mitmdump -s "$(tapehead addon-path)" --set NAME=VALUE`; in mitmproxy and mitmweb, options can be changed'
    yield "while calls come. The settings file counts as for the commands, except for their own sections.\n"
    yield "| Option | Command line | Meaning |\n| --- | --- | --- |"
    for option in script_options():
        counterpart = OTHERS.get(option.name, f"--{option.key}")
        values = f" One of {', '.join(f'`{choice}`' for choice in option.choices)}." if option.choices else ""
        yield f"| `{option.name}` | `{counterpart}` | {option.help}{values} |"
    yield "\nOptions of `record`, `replay` and `serve` that there are not:\n"
    yield "| Option | Instead, or why |\n| --- | --- |"
    for name, reason in MISSING.items():
        yield f"| `--{name}` | {reason} |"
    yield ""
