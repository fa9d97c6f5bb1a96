"""The verdict in force for a piece of work, and how it follows the work into threads, tasks, jobs and greenlets."""
