def test_the_grades_land(maestroqa_sandbox, maestroqa_run_dag, tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_VAR_LAKE", f"file://{tmp_path}")

    run = maestroqa_run_dag("grades_to_lake")

    assert run.state == "success"
    assert (tmp_path / "grades" / "_manifest.json").exists()
    assert maestroqa_sandbox.count("POST", "/api/v1/request-raw-export") == 1
