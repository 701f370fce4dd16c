"""Coverage of sessions and its items."""

from collections.abc import Iterable
from typing import Any

from support.paths import RECORDINGS_FOLDER
from support.sessions import Timeline, mix, run
from tapehead.auditor.coverage import Coverage, CoverageReport, Covered, KindCoverage
from tapehead.auditor.results import SessionResult
from tapehead.auditor.settings import AuditSettings
from tapehead.auditor.tracking_plan import ItemKind

RECORDINGS = sorted((RECORDINGS_FOLDER).glob("*.jsonl"))
Key = tuple[ItemKind, str, str]
EXPECTS: dict[str, Any] = {
    "metadata": {"sessionStart": ["programmer"], "chapterStart": []},
    "expect": {
        "play": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {
                "params": {"required": ["media.show"]},
                "qoeData": {"properties": {"media.qoe.bitrate": {}, "media.qoe.errorID": False}},
            },
            "additionalProperties": False,
        },
        "sessionStart": {"properties": {"customMetadata": {"properties": {"plan": {}, "programmer": {}}}}},
    },
}


def cover(results: Iterable[SessionResult], settings: AuditSettings | None = None) -> CoverageReport:
    coverage = Coverage(settings)
    for result in results:
        coverage.add(result)
    return coverage.report()


def of(*counts: Timeline, settings: AuditSettings | None = None) -> CoverageReport:
    return cover(run(mix(*counts)), settings)


def kind_of(report: CoverageReport, kind: ItemKind) -> KindCoverage:
    return next(each for each in report.kinds if each.kind is kind)


def items(report: CoverageReport) -> dict[Key, Covered]:
    """Everything that was sent, planned or not."""
    planned = [(kind.kind, item) for kind in report.kinds for group in kind.groups for item in group.items]
    beyond = [(kind.kind, item) for kind in report.kinds for item in kind.beyond]
    return {(kind, item.of, item.label): item for kind, item in planned + beyond if item.count}


def sent(report: CoverageReport, kind: ItemKind) -> set[tuple[str, str]]:
    return {(of, label) for each, of, label in items(report) if each is kind}


def beyond(report: CoverageReport, kind: ItemKind) -> list[tuple[str, str, str]]:
    return [(item.of, item.label, item.rule) for item in kind_of(report, kind).beyond]
