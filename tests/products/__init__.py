"""One harness per product: how to start it, send with it and receive; for its tests, the matrix and the benchmarks."""
