"""Real processes on one real store: never over the limit, hardly under it, first come, first served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from cloud_servers import open_objects

from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, open_budget

ROOT = Path(__file__).parents[3]

LIMITS = {"normal": [[4, 0.15], [8, 0.6]]}
MARGINS = {"0.15": 0.05, "0.6": 0.1}
# A process that is paused between its slot and the note of the time seems late: so much is forgiven.
WINDOW = 0.4


def test_processes_that_share_a_token_stay_within_its_limits_use_them_up_and_share_them_fairly(
    shared_store, sharers, worst
):
    group = sharers(3, store=shared_store, limits=LIMITS, margins=MARGINS, seconds=1.2)
    for sharer in group:
        sharer.go()
    taken = [sharer.result()["slots"] for sharer in group]
    slots = sorted(slot for own in taken for slot in own)
    assert worst(slots, WINDOW) <= 8
    assert len(slots) >= 0.9 * 8 * 1.2 / 0.7
    # In a bucket, who loses the first swaps begins later, and in this second that is a large part.
    fairness = 0.1 if shared_store.startswith("gs") else 0.3
    assert min(len(own) for own in taken) >= fairness * max(len(own) for own in taken)


def test_coroutines_and_plain_processes_share_too(shared_store, sharers, worst):
    many = sharers(1, store=shared_store, limits=LIMITS, margins=MARGINS, seconds=0.9, coroutines=6)
    group = many + sharers(2, store=shared_store, limits=LIMITS, margins=MARGINS, seconds=0.9)
    for sharer in group:
        sharer.go()
    taken = [sharer.result()["slots"] for sharer in group]
    assert worst([slot for own in taken for slot in own], WINDOW) <= 8
    assert sum(len(own) for own in taken) >= 10


def test_processes_that_come_and_go_do_not_lose_the_log(shared_store, sharers, worst):
    slots = []
    for _ in range(3):
        group = sharers(2, store=shared_store, limits=LIMITS, margins=MARGINS, requests=2)
        for sharer in group:
            sharer.go()
        slots += [slot for sharer in group for slot in sharer.result()["slots"]]
    assert len(slots) == 12
    assert worst(slots, WINDOW) <= 8


def test_two_tokens_do_not_share(shared_store, sharers):
    limits = {"normal": [[3, 60]]}
    group = [sharers(1, store=shared_store, limits=limits, token=token, requests=3)[0] for token in ("one", "two")]
    for sharer in group:
        sharer.go()
    assert [len(sharer.result()["slots"]) for sharer in group] == [3, 3]


def test_nothing_in_the_store_holds_the_token(shared_store, tmp_path, running_redis, running_postgres):
    token = "s3cr3t-t0k3n"
    budget = open_budget(store=shared_store, base_url="https://x.com", token=token, open_objects=open_objects)
    budget.acquire("normal", polling=True)
    if shared_store.startswith("redis"):
        with running_redis.client() as client:
            kept = [client.dump(key) for key in client.scan_iter()] + list(client.scan_iter())
    elif shared_store.startswith("postgresql"):
        kept = running_postgres.run("SELECT * FROM maestroqa_budget.log")
    elif shared_store.startswith("gs"):
        budget.close()
        objects = open_objects(shared_store)
        kept = [objects.read(f"maestroqa_budget_{budget.log_name('normal').replace(':', '_')}.json").content]
        assert all(kept)
    else:
        kept = [path.read_bytes() for path in tmp_path.iterdir()] + [path.name for path in tmp_path.iterdir()]
    budget.close()
    assert kept
    assert not any(token in str(thing) for thing in kept)


@pytest.mark.parametrize("server", ["redis_server", "postgres_server"])
def test_processes_whose_clocks_differ_stay_within_the_limit_on_one_server(server, request, sharers, worst):
    settings = {"store": request.getfixturevalue(server).url, "limits": LIMITS, "margins": MARGINS, "seconds": 1}
    group = sharers(1, **settings) + sharers(1, wall_offset=2, **settings) + sharers(1, wall_offset=-3600, **settings)
    for sharer in group:
        sharer.go()
    slots = [slot for sharer in group for slot in sharer.result()["slots"]]
    assert worst(slots, WINDOW) <= 8
    assert len(slots) >= 9


def test_others_go_on_when_a_process_is_killed_or_stopped_and_who_wakes_books_again(shared_store, sharers, worst):
    settings = {"store": shared_store, "limits": LIMITS, "margins": MARGINS, "seconds": 1.5}
    killed, stopped, going = sharers(3, **settings)
    for sharer in (killed, stopped, going):
        sharer.go()
    time.sleep(0.2)
    killed.signal(signal.SIGKILL)
    stopped.signal(signal.SIGSTOP)
    time.sleep(0.6)
    stopped.signal(signal.SIGCONT)
    went_on = time.monotonic()
    slots = [sharer.result()["slots"] for sharer in (stopped, going)]
    assert worst(slots[0] + slots[1], WINDOW) <= 8
    assert slots[0][-1] > went_on
    assert sum(slot > went_on for own in slots for slot in own) >= 5


def test_a_forked_child_shares_the_budget_with_its_parent_and_opens_the_store_itself(shared_store):
    script = """
        import os, sys, time
        from cloud_servers import open_objects
        from airflow_provider_maestroqa.client.budget import BudgetExhaustedError, open_budget

        settings = {"base_url": "https://x.com", "token": "t", "open_objects": open_objects}
        budget = open_budget(store=sys.argv[1], limits={"normal": [(4, 60)]}, **settings)
        budget.acquire("normal")
        parent_store = budget.store
        child = os.fork()
        if not child:
            assert budget.store is not parent_store
            budget.acquire("normal")
            grandchild = os.fork()
            if not grandchild:
                budget.acquire("normal")
                os._exit(0)
            assert os.waitpid(grandchild, 0)[1] == 0
            budget.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert budget.store is parent_store
        budget.acquire("normal")
        try:
            budget.acquire("normal", deadline=time.time() + 1)
        except BudgetExhaustedError:
            print("shared")
        budget.close()
    """
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script), shared_store],
        capture_output=True, text=True, timeout=30, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}"},
    )  # fmt: skip
    assert result.stdout == "shared\n", result.stderr
    assert not result.stderr


def test_importing_the_budget_imports_no_store_and_no_asyncio():
    script = """
        import sys
        import airflow_provider_maestroqa.client.budget
        slow = {"redis", "psycopg2", "sqlite3", "asyncio", "aiohttp", "airflow", "concurrent.futures"}
        print(sorted(slow & set(sys.modules)))
    """
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout == "[]\n"


def test_a_penalty_reaches_the_processes_that_already_sleep(shared_store, sharers):
    limits = {"normal": [[1, 0.3]]}
    (sleeper,) = sharers(1, store=shared_store, limits=limits, requests=3)
    sleeper.go()
    time.sleep(0.15)
    budget = open_budget(
        store=shared_store,
        base_url="https://app.maestroqa.com",
        token="token",
        limits=limits,
        open_objects=open_objects,
    )
    budget.pause("normal", 0.6)
    penalised = time.monotonic()
    with pytest.raises(BudgetExhaustedError):
        budget.acquire("normal", deadline=time.time() + 0.4)
    slots = sleeper.result()["slots"]
    budget.close()
    assert [slot for slot in slots if penalised < slot < penalised + 0.55] == []
    assert len(slots) == 3
