"""A ladder as one page of HTML: drawn as SVG, with each message behind its arrow. The page needs no script and nothing
else from anywhere, and forbids both to itself: what stands in it was written by whoever has called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from pbx.ladder import EXCHANGE, Step, parties

_WIDTH, _ROW, _LEFT, _TOP = 240, 34, 110, 60

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fff; --faint: #8b94a3; --line: #c9d0da; --request: #0b5cad;
  --good: #187a3c; --bad: #b3261e; --wait: #8a6100; --panel: #f4f6f9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e5e9f0; --paper: #14181f; --faint: #8b94a3; --line: #3a4250;
  --request: #6db3ff; --good: #63d48c; --bad: #ff8a80; --wait: #f0c45a; --panel: #1e242e; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 1.5rem; }
h1 { font-size: 1.25rem; margin: 0 0 .25rem; } .sentence { font-size: 1.05rem; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 0 1.5rem; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
svg { display: block; } .wide { overflow-x: auto; } svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .party { font-weight: 600; text-anchor: middle; }
svg .time { fill: var(--faint); text-anchor: end; font-size: 11px; }
svg .life { stroke: var(--line); stroke-width: 1.5; } svg .label { text-anchor: middle; }
svg .why { fill: var(--faint); font-size: 11px; } svg .note { fill: var(--faint); font-style: italic; }
svg .arrow { stroke-width: 2; } svg a:hover .label { text-decoration: underline; } svg a { cursor: pointer; }
.request { stroke: var(--request); fill: var(--request); } .good { stroke: var(--good); fill: var(--good); }
.bad { stroke: var(--bad); fill: var(--bad); } .wait { stroke: var(--wait); fill: var(--wait); }
section { display: none; position: fixed; right: 0; top: 0; bottom: 0; width: min(46rem, 90vw); overflow: auto;
  background: var(--panel); border-left: 1px solid var(--line); padding: 1rem; box-sizing: border-box; }
section:target { display: block; } section h2 { font-size: 1rem; margin: 0 0 .5rem; }
section pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 12px/1.5 ui-monospace, monospace; }
section a { color: var(--request); }
"""


def page(title: str, facts: Mapping[str, str], ladder: Sequence[Step]) -> str:
    """The page.

    :param title: what the call is called.
    :param facts: what is told above the ladder, by name; "sentence" is told first.
    :param ladder: its steps.
    """
    told = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        for name, value in facts.items()
        if value and name != "sentence"
    )
    sentence = escape(facts.get("sentence", ""))
    details = "".join(_detail(number, step) for number, step in enumerate(ladder) if step.source)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="sentence">{sentence}</p>\n<dl>{told}</dl>\n'
        f'<div class="wide">{_drawing(parties(ladder), ladder)}</div>\n{details}\n</body>\n</html>\n'
    )


def _drawing(ends: Sequence[str], ladder: Sequence[Step]) -> str:
    place = {party: _LEFT + _WIDTH // 2 + number * _WIDTH for number, party in enumerate(ends)}
    width, height = _LEFT + len(ends) * _WIDTH + 340, _TOP + (len(ladder) + 1) * _ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="ladder diagram">'
    ]
    for party, x in place.items():
        parts.append(f'<text class="party" x="{x}" y="24">{escape(party)}</text>')
        parts.append(f'<line class="life" x1="{x}" y1="36" x2="{x}" y2="{height - 8}"/>')
    for number, step in enumerate(ladder):
        y = _TOP + number * _ROW + 14
        parts.append(f'<text class="time" x="{_LEFT - 12}" y="{y + 4}">{step.at:.3f} s</text>')
        parts.append(_arrow(number, step, place, y) if step.source else _note(step, place[EXCHANGE], y))
    parts.append("</svg>")
    return "".join(parts)


def _arrow(number: int, step: Step, place: Mapping[str, int], y: int) -> str:
    begin, end = place[step.source], place[step.target]
    back = 9 if end > begin else -9
    kind = _kind(step.label)
    middle, last = (begin + end) // 2, max(place.values())
    why = f'<text class="why" x="{last + 16}" y="{y + 4}">{escape(step.why)}</text>' if step.why else ""
    return (
        f'<a href="#m{number}"><line class="arrow {kind}" x1="{begin}" y1="{y}" x2="{end - back}" y2="{y}"/>'
        f'<polygon class="{kind}" points="{end},{y} {end - back},{y - 5} {end - back},{y + 5}"/>'
        f'<text class="label" x="{middle}" y="{y - 6}">{escape(step.label)}</text></a>{why}'
    )


def _note(step: Step, x: int, y: int) -> str:
    why = f" ({step.why})" if step.why else ""
    return f'<text class="note" x="{x + 10}" y="{y + 4}">{escape(step.label + why)}</text>'


def _kind(label: str) -> str:
    if not label[:1].isdigit():
        return "request"
    return {"1": "wait", "2": "good"}.get(label[:1], "bad")


def _detail(number: int, step: Step) -> str:
    heading = f"{step.label}, {step.at:.3f} s: {step.source} to {step.target} over {step.transport}"
    return (
        f'<section id="m{number}"><h2>{escape(heading)}</h2><a href="#">close</a>'
        f"<p>{escape(step.why)}</p><pre>{escape(_visible(step.text))}</pre></section>"
    )


def _visible(text: str) -> str:
    """Control characters as pictures of themselves; line ends as they are."""
    return "".join(
        [letter if letter.isprintable() or letter == "\n" else chr(0x2400 + ord(letter)) if letter < " " else "\ufffd"
         for letter in text.replace("\r\n", "\n")]
    )  # fmt: skip
