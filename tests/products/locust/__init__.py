"""Locust: a service that counts what arrives, files of actors, and runs of them as processes."""
