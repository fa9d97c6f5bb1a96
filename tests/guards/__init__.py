"""Guards: one file per kind of callable, each against an undecorated twin."""
