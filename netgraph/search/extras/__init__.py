"""Candidate sources beside the model's."""
