"""The benchmarks: `python -m bench` prints them all, each figure beside its baseline from the same run."""
