"""Suites to inherit, for servers, clients, messages and greenlets. A subclass replaces the fixture."""
