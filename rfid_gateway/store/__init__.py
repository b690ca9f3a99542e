"""The only place that knows SQLite: schema and migrations, outbox, history, directory, saved observation state."""
