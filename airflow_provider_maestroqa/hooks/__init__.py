"""From an Airflow connection to a client, with a method for each operation of the API."""
