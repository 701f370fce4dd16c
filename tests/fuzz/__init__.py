"""Fuzzing: strategies, targets, seeds."""
