"""The address of the queue server, and the message when it does not answer."""

import signal
import sys
from pathlib import Path

import pytest

from app.infrastructure import redis_connection
from app.infrastructure.redis_connection import QueueServerAway, connect, require, socket_path
from app.settings import Settings
from tests.processes import clean_environment, eventually, running

RUN = "import sys; from pathlib import Path; from app.infrastructure.redis_connection import become_embedded_server; "
RUN += "become_embedded_server(Path(sys.argv[1]))"


def answers(settings: Settings) -> bool:
    try:
        require(settings)
    except QueueServerAway:
        return False
    return True


def test_the_embedded_server_keeps_its_data_and_evicts_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, redis_url="")
    for expected in (None, b"1"):
        with running(
            [sys.executable, "-c", RUN, str(tmp_path)], clean_environment(), tmp_path / "log"
        ) as server:
            eventually(lambda: answers(settings))
            with connect(settings) as connection:
                assert connection.get("kept") == expected
                connection.set("kept", 1)
                assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
                assert connection.config_get("port") == {"port": "0"}
            server.send_signal(signal.SIGTERM)
            assert server.wait(10) == 0
    assert socket_path(tmp_path).parent.stat().st_mode & 0o077 == 0


def test_a_deep_data_folder_gets_a_socket_that_the_system_can_open(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    assert len(str(socket_path(deep))) < redis_connection.LONGEST_SOCKET_PATH
    assert socket_path(deep) == socket_path(deep) != socket_path(tmp_path / "other" / ("e" * 90))


def test_a_missing_embedded_server_is_reported_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        QueueServerAway, match=r"does not answer\. Start everything with `flask --app wsgi up`"
    ):
        require(Settings(data_dir=tmp_path, redis_url=""))


def test_a_missing_external_server_is_reported_without_its_password() -> None:
    with pytest.raises(QueueServerAway) as refusal:
        require(Settings(redis_url="redis://:secret@127.0.0.1:1/0"))
    assert str(refusal.value) == "The queue server at redis://127.0.0.1:1/0 does not answer. Check REDIS_URL."
