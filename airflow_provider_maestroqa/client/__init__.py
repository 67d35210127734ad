"""MaestroQA over HTTP: requests, responses, errors and the request budget. Imports no Airflow."""
