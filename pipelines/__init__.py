"""Runnable programs, one module a stage, and the command `wit`."""

import logging

# Beam warns, when it is imported, that a BigQuery client is missing, which nothing here uses.
logging.getLogger().addFilter(lambda record: "bigquery client libraries" not in record.getMessage())
