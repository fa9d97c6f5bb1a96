"""The README and the documentation say what the code does."""
