"""A company in six processes: web, thread pool, Celery, Kafka, gRPC, web; each records what it saw."""
