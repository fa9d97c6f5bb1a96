"""One harness for each product: what it needs, how to start it, how to send and to receive, and its failures."""
