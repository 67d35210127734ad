"""Records of lists and of the coaching export, as files. Imports no Airflow."""
