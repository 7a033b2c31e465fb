"""The machine: facts, threads, processes, meters, progress."""
