"""Observe, decide, act: one pass over the configured workloads (`work`), or passes in a `loop`."""
