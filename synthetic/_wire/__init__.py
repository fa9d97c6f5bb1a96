"""How a marker travels: a signed token as one entry of W3C baggage, and the keys that sign and verify it."""
