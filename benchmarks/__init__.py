"""Benchmarks, apart from the tests: `python -m benchmarks NAME [--data DIR] [--quick]`; each module has a `run`."""
