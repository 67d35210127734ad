import pytest


@pytest.mark.maestroqa_sandbox(pols=1)
def test_unknown_option(maestroqa_sandbox):
    pass


@pytest.mark.maestroqa_sandbox(1)
def test_option_without_a_name(maestroqa_sandbox):
    pass


@pytest.mark.maestroqa_sandbox(batch_mode="sometimes")
def test_value_that_there_is_not(maestroqa_sandbox):
    pass


@pytest.mark.maestroqa_sandbox(limits="real")
def test_limits_that_are_none(maestroqa_sandbox):
    pass


def test_run_without_a_dags_folder(maestroqa_run_dag):
    pass
