"""The soak: everything at once on one token, with faults and kills, and then the proof by the sandbox's own record.

``plan`` decides from the seed what is done and what goes wrong. ``director`` does it: it hands the tries of tasks to
``worker`` processes and their waits to ``triggerer`` processes, kills and freezes them, and tries again, as Airflow
would. ``witness`` and ``steadiness`` judge what came of it, and ``table`` shows that.
"""
