"""MaestroQA over HTTP: requests, answers, errors and the request budget. Knows nothing of Airflow."""
