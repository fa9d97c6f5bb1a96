"""The configuration: what the settings are, where their values come from, and which values are in force."""
