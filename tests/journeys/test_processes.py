"""`up`, as a person runs it: starts everything, keeps it running, reports errors, and leaves nothing behind."""

import os
import re
import signal
import sqlite3
import stat
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.infrastructure.process_restarts import SIGNALS
from tests.journeys.running_copy import PROCESSES, Copy, started
from tests.preloaded import Run
from tests.processes import eventually, free_port, is_alive
from tests.sampling import FULL

KILLED = SIGNALS[signal.SIGKILL]


def restarts(copy: Copy) -> list[tuple[int, str]]:
    """What the database keeps of them: process id and cause."""
    with closing(sqlite3.connect(copy.data_dir / "igny8.sqlite3")) as database:
        return database.execute("SELECT pid, cause FROM process_restart").fetchall()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    with started(tmp_path_factory.mktemp("up")) as copy:
        yield copy


def test_everything_is_ready_when_it_says_so(copy: Copy) -> None:
    assert (copy.get("/healthz"), copy.get("/readyz")) == (200, 200)
    assert copy.is_whole()


def test_each_process_has_a_title(copy: Copy) -> None:
    names = ["supervisor", "web server", "clock worker", "step worker 1", "step worker 2", "scheduler"]
    titles = copy.titles()
    assert [f"igny8: {name}" in titles for name in names] == [True] * 6
    assert any("valkey-server" in title for title in titles)


def test_a_second_copy_on_the_same_folder_is_refused(command: Run, copy: Copy) -> None:
    second = command("up", environment=copy.environment | {"PORT": str(free_port())})
    assert second.returncode == 1
    assert f"running already on the data folder {copy.data_dir} (process {copy.process.pid})" in second.stderr
    assert copy.get("/readyz") == 200


def test_a_taken_port_is_reported_before_anything_starts(command: Run, copy: Copy, tmp_path: Path) -> None:
    second = command("up", environment=copy.environment | {"DATA_DIR": str(tmp_path)})
    assert second.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {copy.port}: Address already in use." in second.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["running", "secret_key"]


def test_a_data_folder_that_cannot_be_written_is_reported_in_a_sentence(
    command: Run, copy: Copy, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    given = {"PORT": str(free_port()), "DATA_DIR": str(tmp_path / "file" / "var")}
    refused = command("up", environment=copy.environment | given)
    assert refused.returncode == 1
    assert re.fullmatch(r"The data folder \S+ cannot be used: Not a directory\. [^\n]+\n", refused.stderr)


def test_nobody_else_can_read_the_data(copy: Copy) -> None:
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (copy.data_dir, *copy.data_dir.rglob("*"))}
    assert len(modes) > 3
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode & 0o077 for mode in modes.values()} == {0}


def test_settings_without_effect_are_named_at_the_start(command: Run, copy: Copy, tmp_path: Path) -> None:
    given = {
        "PORT": str(copy.port),
        "DATA_DIR": str(tmp_path),
        "HISTORY_DAYS": "30",
        "METRICS_TOKEN": "a-token-that-nothing-reads",
    }
    given |= {"PUBLIC_URL": "", "PORT": str(free_port()), "REDIS_URL": "redis://127.0.0.1:1"}
    refused = command("up", environment=copy.environment | given)
    assert "settings_without_effect" in refused.stderr
    assert '["METRICS_TOKEN", "HISTORY_DAYS"]' in refused.stderr


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Proto", "X-Forwarded-Host", "Script-Name", "X-Forwarded-Prefix"]
)
def test_forwarded_headers_are_not_believed_without_trusted_proxies(copy: Copy, header: str) -> None:
    value = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}.get(header, "/elsewhere")
    request = urllib.request.Request(f"http://127.0.0.1:{copy.port}/sign-in", headers={header: value})
    with urllib.request.urlopen(request, timeout=20) as answer:
        page = answer.read().decode()
    assert "/elsewhere/static" not in page
    assert "evil.example" not in page
    assert 'href="/static/' in page


def test_a_bad_setting_stops_the_start_by_its_name(command: Run, copy: Copy) -> None:
    refused = command("up", environment=copy.environment | {"WORKERS": "many"})
    assert refused.returncode == 2
    assert "WORKERS" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_single_processes_find_the_queue_server_of_the_copy(command: Run, copy: Copy) -> None:
    swept = command("sweep", environment=copy.environment)
    assert (swept.returncode, swept.stdout) == (0, "")


def test_single_processes_say_when_there_is_no_queue_server(command: Run, copy: Copy, tmp_path: Path) -> None:
    alone = command("worker", environment=copy.environment | {"DATA_DIR": str(tmp_path)})
    assert alone.returncode == 1
    assert "Start everything with `flask --app wsgi up`" in alone.stderr


@pytest.mark.parametrize("position", range(PROCESSES) if FULL else range(0, PROCESSES, 3))
def test_a_process_that_dies_is_restarted(copy: Copy, position: int) -> None:
    victim = eventually(lambda: copy.is_whole() and copy.members())[position]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in copy.family() and copy.is_whole(), within=60, what=copy.log.read_text())
    assert copy.process.poll() is None
    eventually(lambda: (victim, KILLED) in restarts(copy), within=30, what="the restart is recorded")
    assert copy.said(f'"pid": {victim}, "cause": "{KILLED}"')


def test_ctrl_c_stops_everything_gracefully_and_a_second_start_keeps_the_data(
    command: Run, tmp_path: Path
) -> None:
    made = ["create-account", "Acme", "--email", "owner@example.com"]
    for expected in ("There is no account yet", "Sign in: "):
        with started(tmp_path) as copy:
            assert copy.said(expected)
            family = copy.family()
            if expected != "Sign in: ":
                assert command(*made, environment=copy.environment).returncode == 0
            copy.process.send_signal(signal.SIGINT)
            assert copy.process.wait(40) == 0
            assert not any(is_alive(pid) for pid in family)
            assert not copy.said("Ending")
            assert not copy.said("Traceback")
    link = rf"Sign in: http://127.0.0.1:{copy.port}/welcome/\S+\nReady: "
    assert re.search(link, copy.log.read_text())


def test_kill_9_of_the_supervisor_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path) as copy:
        family = copy.family()
        assert len(family) >= PROCESSES
        copy.process.kill()
        copy.process.wait()
        eventually(lambda: not any(is_alive(pid) for pid in family), within=30, what="all ended")
