"""The benchmarks: contenders, measurements, and their report."""
