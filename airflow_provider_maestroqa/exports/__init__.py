"""Export files, from a presigned URL to published objects. Knows nothing of Airflow."""
