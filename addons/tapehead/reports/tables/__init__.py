"""Audited sessions as tables for data tools: their schema, their rows, and Parquet files of them."""
