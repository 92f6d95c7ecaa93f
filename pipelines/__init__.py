"""Runnable programs, one module a stage, and the command `wit`."""
