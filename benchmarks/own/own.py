"""What the files of this folder share: each runs the one benchmark that its argument names.

A file has a function for each benchmark. It prepares the data, and returns the function that pyperf
repeats and measures. The files run on every Python from 3.9 on, without other packages than pyperf.
"""

import random

import pyperf


def run(group, benchmarks):
    """Measure the benchmark that the command line names.

    Args:
        group: the file's name, which begins the benchmark's name in results.
        benchmarks: by name, the functions that prepare a benchmark. One that cannot be run on this
            Python raises ImportError.
    """
    runner = pyperf.Runner()
    runner.argparser.add_argument("benchmark", choices=sorted(benchmarks))
    name = runner.parse_args().benchmark
    try:
        function = benchmarks[name]()
    except ImportError as error:
        raise SystemExit(f"skip: {error}") from None
    runner.bench_func(f"{group}.{name}", function)


def words(number):
    """So many different words of 4 to 12 letters, the same ones in each run."""
    chosen = random.Random(number)
    letters = "abcdefghijklmnopqrstuvwxyz"
    found = {}
    while len(found) < number:
        found["".join(chosen.choice(letters) for _ in range(chosen.randint(4, 12)))] = None
    return list(found)
