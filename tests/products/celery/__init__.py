"""Celery: an application whose tasks note what they see, real workers, and what is sent to them."""
