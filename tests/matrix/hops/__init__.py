"""The hops of the matrix, one file per product. ``HOPS`` lists the hops of the file."""
