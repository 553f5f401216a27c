"""What everything else stands on: errors, registries, settings, the store, versions, jobs."""
