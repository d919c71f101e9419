"""Apache Parquet files of any kind."""
