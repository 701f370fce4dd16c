"""Write tests/data/rule_messages.txt: what rules say of the sessions that their tests are about.

    cd tests && python -m docs.generate_rule_messages

Read the difference before it is committed: each line is what somebody reads about a mistake.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from support.paths import DATA, ROOT
from support.rule_pairs import Pair
from support.sessions import Timeline
from tapehead.rules.lifecycle import SESSION_NOT_CLOSED

TARGET = DATA / "rule_messages.txt"


def message_lines() -> Iterator[str]:
    """Yield a line for each finding in each pair of sessions of the rules' tests."""
    for file in sorted((ROOT / "tests" / "unit" / "rules").glob("test_*.py")):
        for number, pair in enumerate(_pairs_of(file), start=1):
            yield from _lines(f"{file.stem} {number} {pair.rule}, bad", pair.rule, pair.bad)
            yield from _lines(f"{file.stem} {number} {pair.rule}, good", pair.rule, pair.good)


def _pairs_of(file: Path) -> list[Pair]:
    if not any(line.startswith("PAIRS = ") for line in file.read_text().splitlines()):
        return []
    spec = importlib.util.spec_from_file_location(f"pairs_of_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pairs: list[Pair] = module.PAIRS
    return pairs


def _lines(place: str, rule: str, played: Timeline) -> Iterator[str]:
    for result in played.audit():
        for found in result.findings:
            # Most of these sessions just stop.
            if rule == SESSION_NOT_CLOSED.id or found.rule != SESSION_NOT_CLOSED.id:
                path = found.path or "the session"
                yield f"{place}: {found.severity.value} {found.rule} at {path}: {found.message}"


if __name__ == "__main__":
    TARGET.write_text("".join(f"{line}\n" for line in message_lines()))
