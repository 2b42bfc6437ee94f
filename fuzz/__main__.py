"""`python -m fuzz`, which is `make fuzz`: misuse and damage for so many seconds, then figures; or the first failure."""

from __future__ import annotations

import argparse
import resource
import sys
import time
import traceback

from fuzz.office import Figures, Generation, objects

ROUNDS = 100  # of one generation: some seconds, so that a failure is soon repeated
WARM = 3  # exchanges after which all that is made once is there
MORE = 8.0  # MiB that the process may grow by after that, for ever
MORE_OBJECTS = 5000


def arguments() -> argparse.Namespace:
    """What stands on the command line."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random (default: the time)")
    parser.add_argument("--generation", type=int, default=None, help="only this one, to repeat a failure")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of each generation (default: %(default)s)")
    return parser.parse_args()


def resident() -> float:
    """The most memory that the process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Run generation after generation; return the exit status."""
    given = arguments()
    seed = int(time.time()) if given.seed is None else given.seed
    begun = time.monotonic()
    figures = Figures()
    first, memory = objects(), resident()
    number = 0 if given.generation is None else given.generation
    while True:
        try:
            figures.add(Generation(seed, number).run(given.rounds))
        except BaseException as failure:
            traceback.print_exception(failure)
            print(f"\nFAILED: {str(failure)[:2000]}", file=sys.stderr)
            print(f"repeat it with `python -m fuzz --seed {seed} --generation {number}`", file=sys.stderr)
            return 1
        number += 1
        if number == WARM:
            first, memory = objects(), resident()
        if given.generation is not None or time.monotonic() - begun >= given.seconds:
            break
    spent = time.monotonic() - begun
    more, objects_more = resident() - memory, objects() - first
    packets, strangers = figures.datagrams + figures.pieces, figures.strangers
    print(f"seed       {seed}")
    print(f"played     {number} exchanges, {figures.rounds} rounds in {spent:.0f} s")
    print(f"packets    {figures.datagrams} datagrams and {figures.pieces} pieces of streams,")
    print(f"           {packets / spent:.0f} a second, {figures.damaged} damaged;")
    print(f"           the slowest took {figures.slowest * 1000:.1f} ms of CPU time")
    print(f"strangers  {strangers['sent']} messages, {strangers['proven']} of them with credentials, of which")
    print(f"           {strangers['believed']} were answered by more than a challenge")
    print(f"memory     {more:+.1f} MiB and {objects_more:+d} objects since exchange {WARM};")
    print(f"           at most {figures.growth:+d} objects within one, after a quarter of its rounds")
    print(f"drops      {', '.join(f'{name} {count}' for name, count in sorted(figures.drops.items()))}")
    print(f"sent       {', '.join(f'{name} {count}' for name, count in sorted(figures.answers.items()))}")
    if number >= WARM and (more > MORE or objects_more > MORE_OBJECTS):
        print("FAILED: memory is not flat from one exchange to the next", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
