"""A real WordPress on 127.0.0.1, of the packages of the system: its set-up, and what people do in it."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests import processes
from tests.processes import free_port

HERE = Path(__file__).parent
SOURCE = Path("/usr/share/wordpress")
PROGRAMS = ("php", "mariadbd", "mariadb-install-db", "mariadb")
STATUSES = "publish,future,draft,pending,private,trash"
SMALL = ("--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=8M",
         "--skip-log-bin", "--skip-networking")  # fmt: skip

Row = dict[str, Any]


def missing() -> str:
    """What this machine has not got; empty where a WordPress can be set up."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if not (SOURCE / "wp-load.php").exists():
        lacking.append(str(SOURCE))
    return ", ".join(lacking)


@dataclass
class RealWordPress:
    """One site. What people do there goes through its REST interface too, as its administrator."""

    url: str
    passwords: Mapping[str, str]
    role: str = "editor"
    people: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.people = httpx.Client(
            base_url=f"{self.url}/wp-json/wp/v2/", auth=("administrator", self.passwords["administrator"])
        )

    @property
    def host(self) -> str:
        """As OUTBOUND_ALLOW takes it."""
        return self.url.removeprefix("http://")

    @property
    def username(self) -> str:
        """Users are named after their roles."""
        return self.role

    @property
    def password(self) -> str:
        return self.passwords.get(self.role, "unknown")

    @property
    def posts(self) -> dict[int, Row]:
        """All there are, in every status, texts as they are stored."""
        query = {"status": STATUSES, "context": "edit", "per_page": 100, "order": "asc", "orderby": "id"}
        return {row["id"]: _flat(row) for row in self._ask("GET", "posts", params=query)}

    def add(
        self, title: str = "A stranger's", content: str = "Mine.", status: str = "publish", **more: Any
    ) -> int:
        """A post that somebody wrote in WordPress itself."""
        return int(self.create("posts", title=title, content=content, status=status, **more)["id"])

    def create(self, kind: str, **fields: Any) -> Row:
        made: Row = self._ask("POST", kind, json=fields)
        return made

    def change(self, id: int, **fields: Any) -> None:
        self._ask("POST", f"posts/{id}", json=fields)

    def trash(self, id: int) -> None:
        self._ask("DELETE", f"posts/{id}")

    def delete(self, id: int) -> None:
        self._ask("DELETE", f"posts/{id}", params={"force": "true"})

    def names(self, kind: str, ids: list[int]) -> list[str]:
        return [self._ask("GET", f"{kind}/{id}")["name"] for id in ids]

    def read_as_visitor(self, address: str) -> tuple[int, bool]:
        """The status, and whether it is an article of ours that is shown."""
        answer = httpx.get(address, follow_redirects=True)
        return answer.status_code, "<!-- igny8:" in answer.text

    def clear(self) -> None:
        """No post, page, or term but the default category."""
        for id in self.posts:
            self.delete(id)
        for kind in ("pages", "categories", "tags"):
            for row in self._ask("GET", kind, params={"per_page": 100}):
                if row.get("slug") != "uncategorized":
                    self._ask("DELETE", f"{kind}/{row['id']}", params={"force": "true"})

    def _ask(self, method: str, path: str, **sent: Any) -> Any:
        answer = self.people.request(method, path, **sent)
        assert answer.is_success, answer.text
        return answer.json()


def _flat(row: Row) -> Row:
    texts = {name: row[name]["raw"] for name in ("title", "content", "excerpt")}
    return row | texts


@contextmanager
def running(folder: Path, sites: int = 1) -> Iterator[list[RealWordPress]]:
    """So many sites, in one database, each with tables of its own."""
    with ExitStack() as stack:
        socket = stack.enter_context(_database(folder))
        root = folder / "site"
        shutil.copytree(SOURCE, root, ignore_dangling_symlinks=True)
        shutil.copy(HERE / "wp-config.php", root / "wp-config.php")
        _add_seo_fields(root / "wp-content" / "mu-plugins")
        _add_theme(root / "wp-content" / "themes" / "plain")
        yield [stack.enter_context(_site(root, socket, f"wp{number}_")) for number in range(sites)]


def _add_seo_fields(folder: Path) -> None:
    """As a plugin for search engines opens them to the interface."""
    folder.mkdir(parents=True)
    shutil.copy(HERE / "seo-fields.php", folder)


def _add_theme(folder: Path) -> None:
    """The package has none."""
    folder.mkdir(parents=True)
    (folder / "style.css").write_text("/* Theme Name: Plain */")
    (folder / "index.php").write_text(
        "<html><head><?php wp_head(); ?></head><body><?php while (have_posts()) { the_post(); the_content(); } ?>"
    )


@contextmanager
def _database(folder: Path) -> Iterator[Path]:
    data, socket = folder / "data", folder / "sock"
    owner = ["--user=root"] if os.geteuid() == 0 else []
    log = folder / "database.log"
    made = ["mariadb-install-db", "--no-defaults", f"--datadir={data}",
            "--auth-root-authentication-method=normal", "--skip-test-db", *owner]  # fmt: skip
    subprocess.run(made, check=True, capture_output=True)
    started = ["mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={socket}", *SMALL, *owner]
    with _process(started, os.environ, log):
        ask = ["mariadb", "--no-defaults", f"--socket={socket}", "-uroot", "-e", "CREATE DATABASE wordpress"]
        _until(lambda: subprocess.run(ask, capture_output=True).returncode == 0)
        yield socket


@contextmanager
def _site(root: Path, socket: Path, prefix: str) -> Iterator[RealWordPress]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = os.environ | {
        "WORDPRESS_SOCKET": str(socket), "WORDPRESS_URL": url, "WORDPRESS_PREFIX": prefix,
        # As many requests at once: one at a time, no two of them could ever meet.
        "PHP_CLI_SERVER_WORKERS": "4",
    }  # fmt: skip
    install = ["php", str(HERE / "install.php"), str(root)]
    done = subprocess.run(install, env=environment, check=True, capture_output=True, text=True)
    passwords = json.loads(done.stdout)
    served = ["php", "-S", f"127.0.0.1:{port}", "-t", str(root), str(HERE / "router.php")]
    with _process(served, environment, root.parent / f"{prefix}.log"):
        site = RealWordPress(url, passwords)
        _until(lambda: _answers(url))
        with site.people:
            yield site


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with processes.running(command, environment, log) as process:
        try:
            yield
        finally:
            # PHP's server leaves its workers behind unless the whole group is ended.
            os.killpg(process.pid, signal.SIGTERM)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/wp-json/", timeout=30).is_success
    except httpx.TransportError:
        return False


def _until(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "It does not start: see its log."
        time.sleep(0.05)
