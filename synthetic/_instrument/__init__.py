"""Patches on other libraries: how they are applied and undone, and what ``instrument()`` applies."""
