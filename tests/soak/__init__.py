"""Hours of a run with workers, kills and restarts: what it sends, how its journeys do, and what its memory does."""
