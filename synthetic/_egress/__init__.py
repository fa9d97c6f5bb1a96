"""Outgoing calls and messages: which may be sent, and with which baggage."""
