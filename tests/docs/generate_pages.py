"""Generator of the documentation in `.github/docs/`, from the tables in the code.

cd tests && python -m docs.generate_pages
"""

from collections.abc import Iterator

from docs.rule_pages import render_catalogue
from docs.session_diagram import render_markdown, render_mermaid
from support import script_options
from support.paths import ROOT
from tapehead.metrics.assumptions import ASSUMPTIONS
from tapehead.metrics.catalog import METRICS
from tapehead.protocol.transitions import TABLE
from tapehead.proxy.mitmproxy_addons import ADDONS, DISPLAY_OPTIONS
from tapehead.reports.tables.schema import TABLES
from tapehead.rules.catalog import VIOLATION_RULES

RULE_IDS = {kind: rule.id for kind, rule in VIOLATION_RULES.items()}
RULES_INTRO = "Each with what it means for the reported numbers, and how to fix it."
DOCS = ROOT / ".github" / "docs"


def pages() -> dict[str, str]:
    """The generated pages, by file name."""
    return {
        "rules.md": "# The rules\n\nEach with what it means for the reported numbers, and how to fix it.\n\n"
        + render_catalogue(),
        "session.md": "\n".join(_session_page()),
        "metrics.md": "\n".join(_metrics_page()),
        "mitmproxy.md": "\n".join(_mitmproxy_page()),
        "tables.md": "\n".join(_tables_page()),
    }


def _session_page() -> Iterator[str]:
    yield "# The session machine\n"
    yield "Six machines side by side, drawn from the one table in `addons/tapehead/protocol/transitions.py`. The rule"
    yield "that an event breaks is in brackets.\n"
    for machine in TABLE:
        yield f"```mermaid\n{render_mermaid(machine, RULE_IDS)}```\n"
    yield render_markdown(RULE_IDS)


def _metrics_page() -> Iterator[str]:
    yield "# The metrics\n"
    yield "Metrics that Adobe would report for a session, calculated from its events alone.\n"
    yield "Durations are exact to the millisecond in JSON; other reports round them to whole seconds, as Adobe does.\n"
    yield "| Metric | Variable | Path in Customer Journey Analytics | Unit | Definition |"
    yield "| --- | --- | --- | --- | --- |"
    for metric in METRICS:
        names = " | ".join(f"`{name}`" if name else "" for name in (metric.variable, metric.xdm))
        yield f"| `{metric.key}` | {names} | {metric.unit} | {metric.definition} |"
    yield "\n## Choices that the documents leave open\n"
    yield "Each choice can be switched with `--assume KEY=VALUE`; the first value is the default.\n"
    yield "| Key | Values | Why | Source |\n| --- | --- | --- | --- |"
    for choice in ASSUMPTIONS:
        yield f"| `{choice.key}` | {', '.join(choice.options)} | {choice.explanation} | {choice.source} |"
    yield ""


def _mitmproxy_page() -> Iterator[str]:
    yield "# mitmproxy's addons in tapehead\n"
    yield "mitmdump loads all of its addons; `record` and `replay` load those that a mode or an option needs."
    yield "`--set NAME=VALUE` takes the options of these, and those of mitmproxy's core; other options are refused."
    yield "A request that an option changes is recorded as it went on, an answer as it came.\n"
    yield "| Addon | Loaded | In tapehead | Options |\n| --- | --- | --- | --- |"
    for entry in ADDONS:
        modes = ", ".join(f"`{mode}`" for mode in entry.modes)
        loaded = f"in {modes}" if entry.modes else str(entry.use)
        options = ", ".join(f"`{option}`" for option in entry.options)
        yield f"| `{entry.name.partition('.')[0]}` | {loaded} | {entry.reason} | {options} |"
    names = ", ".join(f"`{name}`" for name in DISPLAY_OPTIONS)
    yield f"\nOf the core's options, {names} are refused: they change what mitmproxy's own tools show.\n"
    yield from script_options.page()


def _tables_page() -> Iterator[str]:
    yield "# The tables\n"
    yield "Parquet files that `tapehead export --parquet FOLDER` writes, each named after its table. They are joined by"
    yield "`session_key`. Texts of which many are equal are dictionaries, times are microseconds in UTC, a flag is"
    yield "0 or 1. Metrics are defined [here](metrics.md). New versions may add columns.\n"
    for table in TABLES:
        yield f"## {table.name}\n"
        yield f"{table.description}\n"
        yield "| Column | Type | Unit | Empty | Meaning | Source |\n| --- | --- | --- | --- | --- | --- |"
        for column in table.columns:
            empty = "may be" if column.is_nullable else "never"
            source = f"`{column.source}`" if column.source else ""
            description = column.description.replace("|", "\\|")
            yield f"| `{column.name}` | {column.type} | {column.unit} | {empty} | {description} | {source} |"
        yield ""


def main() -> None:
    """Write them."""
    DOCS.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
