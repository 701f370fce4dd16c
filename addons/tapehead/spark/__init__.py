"""The audit on Apache Spark: executors read recordings and evaluate sessions, this process divides them.

1. Executors read each file (`reading`), and send an outline of each exchange.
2. This process merges the outlines as it merges files, and assigns exchanges to sessions, and sessions to parts
   (`fetched_files`, `division`).
3. Executors read the files again, and send each exchange to the executor that evaluates its part (`evaluation`).
4. This process puts the results in the order that one process gives them (`spark_audit`).

What runs on executors imports neither pyspark nor anything that talks to the cluster.
"""
