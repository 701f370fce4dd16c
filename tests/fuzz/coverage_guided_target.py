"""One target of `fuzz.targets` under atheris, in the process that `fuzz.coverage_guided` starts for it.

What a target raises is kept with its traceback, once for each place that it comes from, and the fuzzing goes on. What
takes too long or too much memory ends this process; libFuzzer keeps that input.
"""

import sys
import traceback
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tapehead"]):
    from fuzz.targets import TARGETS, Target


def place_of(problem: BaseException) -> str:
    """Return the place of a failure, without what depends on the input."""
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{type(problem).__name__} in {frame.filename}:{frame.lineno}"


def keeping(target: Target, folder: Path) -> Callable[[bytes], None]:
    """The target, with what it raises kept in the folder and told in a line that begins with "found"."""
    known: set[str] = set()

    def run(data: bytes) -> None:
        try:
            target(data)
        except KeyboardInterrupt:
            raise
        except BaseException as problem:  # noqa: BLE001 - a panic of Rust is no Exception
            if (place := place_of(problem)) not in known:
                known.add(place)
                name = f"crash-{sha1(place.encode(), usedforsecurity=False).hexdigest()[:12]}"
                (folder / name).write_bytes(data)
                (folder / f"{name}.txt").write_text(traceback.format_exc(), "utf-8", "backslashreplace")
                print(f"found {name} {place}", file=sys.stderr, flush=True)

    return run


def main(argv: list[str]) -> None:
    """Fuzz the named target: its name, a folder for what is found, and what libFuzzer takes."""
    name, folder, *options = argv
    atheris.Setup([name, *options], keeping(TARGETS[name], Path(folder)))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
