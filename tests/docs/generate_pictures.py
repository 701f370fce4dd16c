"""Generator of the README's pictures: the terminal of `tapehead record`, the live page, the page of `tapehead audit`.

cd tests && python -m docs.generate_pictures
"""

import io
import re
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from support.browser import chromium
from support.live_client import link_of, viewing
from support.paths import RECORDINGS_FOLDER, ROOT
from support.processes import run_tapehead
from tapehead.cli.terminal import lines_of
from tapehead.protocol.exchange import Entry
from tapehead.recording.reader import read_recording

PICTURE = ROOT / ".github" / "record.svg"
AUDIT = ROOT / ".github" / "audit.png"
LIVE = ROOT / ".github" / "live.png"
COMMAND = "$ tapehead record --to https://company.hb-api.omtrdc.net --out session.jsonl"
SHOWN = slice(2, 12)
COLUMNS = 118


def main() -> None:
    """Draw all."""
    draw_terminal()
    photograph_live()
    with tempfile.TemporaryDirectory() as scratch:
        photograph_audit(Path(scratch) / "report.html")


def photograph_audit(page: Path) -> None:
    """Open the audit of the samples in a browser, with the session full of mistakes unfolded."""
    samples = ["recordings/timeline-1.jsonl", "recordings/mistakes.jsonl"]
    run_tapehead("audit", *samples, "--format", "html", "--output", page, cwd=ROOT)
    with chromium() as browser:
        tab = browser.new_page(viewport={"width": 1180, "height": 1130})
        tab.goto(page.as_uri())
        opened = tab.locator(".session").filter(has_text="undefined").first
        opened.locator("summary").first.click()
        opened.locator(".plot .flag").first.wait_for()
        opened.locator("button.message").first.click()
        tab.evaluate("scrollBy(0, document.querySelector('.session[open]').getBoundingClientRect().top - 90)")
        tab.screenshot(path=AUDIT)


def photograph_live() -> None:
    """Open the live page on the samples, with a finding of the session full of mistakes chosen."""
    with viewing(RECORDINGS_FOLDER) as opened, chromium() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 960})
        tab.goto(str(link_of(opened)))
        tab.locator("#sessions .row").filter(has_text="undefined").click()
        tab.locator(".plot .flag.error").first.click()
        tab.locator("#detail pre").last.wait_for()
        tab.screenshot(path=LIVE)


def draw_terminal() -> None:
    """Draw what the terminal shows of a session full of mistakes."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text(COMMAND, style="bold"))
    console.print("listening on http://127.0.0.1:8080\nrecording into session.jsonl", highlight=False)
    entries = [item for item in read_recording(RECORDINGS_FOLDER / "mistakes.jsonl") if isinstance(item, Entry)]
    for entry in entries[SHOWN]:
        for line in lines_of(entry.exchange, COLUMNS):
            console.print(Text.from_ansi(line))
    # Without the fonts that the library would fetch from the network.
    template = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(console.export_svg(title="tapehead record", code_format=template), encoding="utf-8")


if __name__ == "__main__":
    main()
