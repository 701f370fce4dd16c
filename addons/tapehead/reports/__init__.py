"""The report on an audit: one model, and what renders it for people and for machines.

`model` gathers results into the report that is published as JSON; `text`, `junit`, `sarif` and `html` render that
model. They are functions from a model to text or bytes. None opens a file but its own assets.
"""
