"""The command ``synthetic-traffic``, with one file per subcommand."""
