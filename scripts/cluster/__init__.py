"""Airflow on Celery with Redis and PostgreSQL, all on this machine, with a load and what goes wrong meanwhile.

``surroundings`` are what Airflow talks to, ``services`` its own parts, which ``nursery`` forks. ``load`` is what
there is to do, by the DAG in ``dags``; ``faults`` breaks things meanwhile. ``record`` counts what has arrived,
``memory`` looks at what lives long, and ``table`` judges and shows both.
"""
