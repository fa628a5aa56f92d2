"""Processes: the supervisor with its listening socket, and the workers."""
