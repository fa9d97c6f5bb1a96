"""Each hop of the matrix, one file a product: ``HOPS`` is what it offers."""
