"""The basic values of the library. Modules here import nothing else of the library."""
