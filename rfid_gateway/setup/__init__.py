"""The first run on an empty PC: from an administrator's answers to a configuration file."""
