"""Admission: each request and each message is admitted, refused, or refused for now (later)."""
