"""What a reader of the storage sees, before, while and after an export is landed."""

import json

import pytest
from landing_fixtures import DATA, listing

from airflow_provider_maestroqa.client.errors import MaestroQADataError, MaestroQAError
from airflow_provider_maestroqa.landing.exports import LandingOptions, publish_no_data, published_manifest
from airflow_provider_maestroqa.storage.base import StorageConflictError


class RecordingStore:
    """A store that records what is done to it, and fails where it is told to."""

    def __init__(self, store, fail_at=None, error=None):
        self.store = store
        self.done = []
        self.fail_at = fail_at
        self.error = error or MaestroQAError("no")

    def __getattr__(self, name):
        return getattr(self.store, name)

    def record(self, what):
        self.done.append(what)
        if what == self.fail_at:
            raise self.error

    def begin(self, name, **arguments):
        upload = self.store.begin(name, **arguments)
        recording = self

        class Upload:
            def write(self, data):
                recording.record(f"write {name}")
                upload.write(data)

            def seal(self, crc32):
                recording.record(f"seal {name}")
                upload.seal(crc32)

            def publish(self, **condition):
                recording.record(f"publish {name}")
                return upload.publish(**condition)

            def discard(self):
                upload.discard()

        return Upload()

    def put_bytes(self, name, data, **condition):
        self.record(f"claim {name}" if b'"owner"' in data else f"put {name}")
        return self.store.put_bytes(name, data, **condition)


def test_nothing_is_published_before_all_is_stored_and_the_manifest_comes_last(land, store, two_files):
    recording = RecordingStore(store)
    land(recording, file_format="csv")
    order = [step for step in dict.fromkeys(recording.done) if not step.startswith("write")]
    assert order == ["seal a.csv", "seal x/b.csv", "publish a.csv", "publish x/b.csv", "put _manifest.json"]
    assert listing(store) == ["_manifest.json", "a.csv", "x/b.csv"]


@pytest.mark.parametrize("step", ["write a.csv", "seal a.csv", "write x/b.csv", "seal x/b.csv", "publish a.csv"])
def test_a_failure_before_the_first_file_is_published_leaves_what_was_there(land, store, two_files, step):
    first = land(store, file_format="csv", export_id="earlier")
    with pytest.raises(MaestroQAError, match="no"):
        land(RecordingStore(store, step), file_format="csv", export_id="later")
    assert listing(store)[-2:] == ["a.csv", "x/b.csv"]
    assert store.get_bytes("a.csv") == DATA
    if not step.startswith("publish"):
        assert json.loads(store.get_bytes("_manifest.json")) == first


@pytest.mark.parametrize("step", ["publish x/b.csv", "put _manifest.json"])
def test_a_failure_while_publishing_leaves_whole_files_and_no_manifest(land, store, two_files, step):
    land(store, file_format="csv", export_id="earlier")
    with pytest.raises(MaestroQAError, match="no"):
        land(RecordingStore(store, step), file_format="csv", export_id="later")
    assert json.loads(store.get_bytes("_manifest.json")).keys() == {"landing", "owner"}
    again = land(store, file_format="csv", export_id="later")
    assert listing(store) == ["_manifest.json", "a.csv", "x/b.csv"]
    assert [file["name"] for file in again["files"]] == ["a.csv", "x/b.csv"]


def test_a_damaged_last_member_keeps_the_first_ones_from_being_published(land, store, origin, make_zip, part):
    origin.body = make_zip(part(data=DATA), part(name=b"b.csv", crc32=1))
    with pytest.raises(MaestroQADataError, match="checksum is wrong"):
        land(store)
    assert listing(store) == []


def test_landing_again_downloads_and_writes_nothing(land, store, origin, two_files, log_lines):
    first = land(store, count_rows=True)
    recording = RecordingStore(store)
    asked = len(origin.seen)
    assert land(recording, count_rows=True, fresh_url=lambda: pytest.fail("a URL was asked for")) == first
    assert land(recording, fresh_url=lambda: pytest.fail("a URL was asked for")) == first
    assert (len(origin.seen), recording.done) == (asked, [])
    assert "is already landed" in log_lines[-1]


FORMS = [("csv.gz", False), ("csv", False), ("zip", False), ("csv.gz", True), ("csv", True), ("parquet", True)]


@pytest.fixture
def form(request):
    file_format, clean = request.param
    if file_format == "parquet":
        pytest.importorskip("pyarrow")
    return {"file_format": file_format, "clean": clean}


def as_of_0_1_0(store):
    """Make the manifest what version 0.1.0 wrote."""
    manifest = json.loads(store.get_bytes("_manifest.json"))
    del manifest["file_format"], manifest["clean"]
    store.put_bytes("_manifest.json", json.dumps(manifest).encode())
    return manifest


@pytest.mark.parametrize("form", FORMS, indirect=True)
def test_the_manifest_says_in_which_form_an_export_was_landed(land, memory, two_files, form):
    manifest = land(memory, **form)
    assert {key: manifest[key] for key in form} == form
    old = as_of_0_1_0(memory)
    assert land(memory, **form, fresh_url=lambda: pytest.fail("a URL was asked for")) == old


@pytest.mark.parametrize("old", [False, True], ids=["", "0.1.0"])
@pytest.mark.parametrize("form", FORMS, indirect=True)
def test_another_form_is_landed_anew(land, memory, origin, two_files, form, old):
    other = {"file_format": "csv.gz", "clean": form != {"file_format": "csv.gz", "clean": True}}
    land(memory, **form)
    if old:
        as_of_0_1_0(memory)
    requests = len(origin.seen)
    land(memory, **other)
    assert len(origin.seen) == requests + 1


def test_an_unpacked_archive_of_one_export_csv_is_no_landed_archive(land, memory, origin, make_zip, part):
    origin.body = make_zip(part(name=b"export.csv"))
    land(memory, file_format="csv")
    assert land(memory, file_format="zip")["files"][0]["name"] == "export.zip"


def test_a_gzipped_file_as_large_as_its_content_is_not_landed_again(land, memory, origin, make_zip, part, deflate):
    data = next(data for length in range(1, 60) if len(deflate(data := b"x" * length)) + 18 == length)
    origin.body = make_zip(part(data=data))
    manifest = land(memory)
    assert manifest["files"][0]["bytes"] == manifest["files"][0]["content_bytes"]
    assert land(memory, fresh_url=lambda: pytest.fail("a URL was asked for")) == manifest


@pytest.mark.parametrize(
    "change",
    [
        "other export",
        "other format",
        "rows wanted",
        "object gone",
        "object altered",
        "manifest gone",
        "manifest broken",
    ],
)
def test_what_is_not_there_as_wanted_is_landed_again(land, store, origin, two_files, change):
    land(store, file_format="csv")
    arguments = {"file_format": "csv"}
    if change == "other export":
        arguments["export_id"] = "e2"
    elif change == "other format":
        arguments["file_format"] = "csv.gz"
    elif change == "rows wanted":
        arguments["count_rows"] = True
    elif change == "object gone":
        store.delete("x/b.csv")
    elif change == "object altered":
        store.put_bytes("a.csv", b"something else")
    elif change == "manifest gone":
        store.delete("_manifest.json")
    else:
        store.put_bytes("_manifest.json", b'{"export_id": "e1", "files": [{}]}')
    asked = len(origin.seen)
    manifest = land(store, **arguments)
    assert len(origin.seen) == asked + 1
    assert json.loads(store.get_bytes("_manifest.json")) == manifest
    assert all(store.size(file["name"]) == file["bytes"] for file in manifest["files"])


def test_a_claim_takes_the_place_of_the_older_manifest_before_the_first_file_is_replaced(land, store, two_files):
    land(store, file_format="csv", export_id="earlier")
    recording = RecordingStore(store)
    land(recording, file_format="csv", export_id="later")
    assert recording.done.index("claim _manifest.json") == recording.done.index("publish a.csv") - 1


class Meanwhile(RecordingStore):
    """A store where something happens at a step of a landing."""

    def __init__(self, store, step, action):
        super().__init__(store)
        self.step, self.action = step, action

    def record(self, what):
        super().record(what)
        if what == self.step and self.action is not None:
            action, self.action = self.action, None
            action()


BEFORE_THE_CLAIM = ["write a.csv", "seal x/b.csv"]


@pytest.mark.parametrize("step", [*BEFORE_THE_CLAIM, "publish a.csv", "publish x/b.csv", "put _manifest.json"])
@pytest.mark.parametrize("earlier", [None, "earlier"])
@pytest.mark.parametrize("other", ["e1", "e2"])
def test_of_two_landings_at_once_the_manifest_of_one_stays_with_its_files(
    land, store, origin, two_files, make_zip, part, log_lines, step, earlier, other
):
    if earlier:
        land(store, file_format="csv", export_id=earlier)

    def land_other():
        origin.body = make_zip(part(name=b"a.csv", data=b"h\nother\n"), part(name=b"x/b.csv", data=b"h\n2\n"))
        manifests.append(land(store, file_format="csv", export_id=other))

    manifests = []
    late = Meanwhile(store, step, land_other)
    if other == "e1":
        assert [land(late, file_format="csv")] == manifests
        assert log_lines[-1].startswith("Another task has landed export e1 meanwhile")
    else:
        with pytest.raises(
            StorageConflictError, match=r"Another landing has published .* since this one of e1 began"
        ):
            land(late, file_format="csv")
    assert json.loads(store.get_bytes("_manifest.json")) == manifests[0]
    assert store.get_bytes("a.csv") == b"h\nother\n"
    assert store.get_bytes("x/b.csv") == b"h\n2\n"


def test_a_file_that_is_changed_while_the_manifest_is_written_takes_the_manifest_back(land, store, two_files):
    late = Meanwhile(store, "put _manifest.json", lambda: store.put_bytes("a.csv", b"from a zombie"))
    with pytest.raises(StorageConflictError, match=r"a\.csv was changed while it was landed"):
        land(late, file_format="csv")
    assert json.loads(store.get_bytes("_manifest.json")).keys() == {"landing", "owner"}
    assert land(store, file_format="csv")["has_data"]


def test_a_task_that_goes_on_though_airflow_has_given_it_up_takes_no_manifest_away(land, store, two_files):
    """It is killed while it publishes, after the next try has landed."""
    late = Meanwhile(store, "seal x/b.csv", lambda: manifests.append(land(store, file_format="csv", export_id="e2")))
    late.fail_at = "publish a.csv"
    manifests = []
    with pytest.raises(StorageConflictError):
        land(late, file_format="csv")
    assert json.loads(store.get_bytes("_manifest.json")) == manifests[0]


def test_an_export_without_data_gets_a_manifest_that_says_so(store, land):
    window = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00Z"}
    manifest = publish_no_data(store, export_id="e1", window=window)
    assert manifest == {
        "export_id": "e1",
        "has_data": False,
        "destination": store.uri(),
        "window": window,
        "files": [],
        "manifest": store.uri("_manifest.json"),
    }
    assert published_manifest(store, export_id="e1", options=LandingOptions()) == manifest
    assert published_manifest(store, export_id="e2", options=LandingOptions()) is None
