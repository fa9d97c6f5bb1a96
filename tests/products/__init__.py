"""One harness per product: how the tests, the matrix and the benchmarks start it, send with it and receive from it."""
