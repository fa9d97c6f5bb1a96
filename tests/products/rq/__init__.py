"""RQ: the functions of jobs, queues, and workers in threads and processes."""
