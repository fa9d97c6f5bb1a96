"""Suites to inherit: one for every server, one for every client. Swap the fixture, keep the tests."""
