"""Makes our prompts from their manifest, with espeak-ng, and the music on hold, by itself: `make prompts`.

espeak-ng is GPL, what it says is not. Files whose text has not changed come out the same with the same espeak-ng.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from array import array
from collections.abc import Iterator
from math import exp, pi, sin
from pathlib import Path
from typing import Any

from pbx.media import wav
from pbx.media.g711 import RATE, ULAW

FOLDER = Path(__file__).parent.parent / "pbx" / "media" / "prompts"
PEAK = 20000  # to which each prompt is brought
QUIET = 200  # amplitude of what counts as silence at either end
PAUSE = 0.06  # seconds of silence that are left there

# The music: four chords of a guitar that nobody hurries, in Hz; a bar is 2.5 seconds.
BAR = 2.5
CHORDS = (
    (130.81, 196.00, 261.63, 329.63, 392.00), (110.00, 164.81, 220.00, 261.63, 329.63),
    (87.31, 174.61, 220.00, 261.63, 349.23), (98.00, 146.83, 246.94, 293.66, 392.00),
)  # fmt: skip
PATTERNS = ((0, 2, 3, 4, 3, 2, 3, 4), (0, 3, 2, 4, 3, 4, 2, 3))


def main() -> None:
    """Make all files."""
    manifest = tomllib.loads((FOLDER / "prompts.toml").read_text())
    for name, text in texts(manifest["prompts"]):
        write(name, trimmed(spoken(text, manifest)))
    write("music/hold", music())


def texts(table: dict[str, Any], folder: str = "") -> Iterator[tuple[str, str]]:
    """Yield name and text of each prompt."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from texts(value, f"{folder}{name}/")
        else:
            yield folder + name, value


def spoken(text: str, manifest: dict[str, Any]) -> array[int]:
    """A text as PCM of 8000 samples a second."""
    options = ["-v", manifest["voice"], "-s", str(manifest["speed"]), "-p", str(manifest["pitch"])]
    try:
        made = subprocess.run(["espeak-ng", *options, "--stdout", text], stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        sys.exit("espeak-ng is needed to make prompts: apt install espeak-ng")
    return array("h", wav.read(made.stdout))


def trimmed(samples: array[int]) -> array[int]:
    """As loud as all others, without the silence around it."""
    loud = [place for place, sample in enumerate(samples) if abs(sample) > QUIET]
    pause = round(PAUSE * RATE)
    kept = samples[max(0, loud[0] - pause) : loud[-1] + pause]
    factor = PEAK / max(map(abs, kept))
    return array("h", [round(sample * factor) for sample in kept])


def music() -> array[int]:
    """Plucked strings, two rounds of the chords, which end as they begin."""
    length = round(2 * len(CHORDS) * BAR * RATE)
    mixed = [0.0] * length
    beat = BAR / 8
    for number, chord in enumerate(CHORDS * 2):
        for step, string in enumerate(PATTERNS[number % 2]):
            start = round((number * 8 + step) * beat * RATE)
            step_angle = 2 * pi * chord[string] / RATE
            for at in range(round(1.8 * RATE)):
                angle = step_angle * at
                decay = exp(-3.2 * at / RATE) * min(1.0, at / 40)
                tone = sin(angle) + 0.4 * sin(2 * angle) * exp(-5 * at / RATE) + 0.15 * sin(3 * angle)
                mixed[(start + at) % length] += decay * tone
    factor = 9000 / max(map(abs, mixed))
    return array("h", [round(sample * factor) for sample in mixed])


def write(name: str, samples: array[int]) -> None:
    """Write one file."""
    path = FOLDER / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = ULAW.encode(samples.tobytes())
    path.write_bytes(wav.header(ULAW, 1, len(sound)) + sound)


if __name__ == "__main__":
    main()
