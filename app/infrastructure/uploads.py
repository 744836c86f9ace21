"""Files that wait in DATA_DIR between two steps of a form; nobody but who sent them gets them back."""

import secrets
import string
import time
from pathlib import Path

from app.business.errors import NotFound

KEPT_SECONDS = 3600
_NAME = frozenset(string.ascii_letters + string.digits + "-_")


def keep(data_dir: Path, owner: str, data: bytes) -> str:
    """Store `data` for an hour; gives the random name it is fetched by. Also clears what others left behind."""
    folder = data_dir / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clear(folder)
    name = secrets.token_urlsafe(24)
    path = _path(data_dir, owner, name)
    path.touch(mode=0o600)
    path.write_bytes(data)
    return name


def fetch(data_dir: Path, owner: str, name: str) -> bytes:
    """What `owner` stored under `name`. Raises NotFound after an hour, and for everybody else."""
    path = _path(data_dir, owner, name)
    try:
        if time.time() - path.stat().st_mtime > KEPT_SECONDS:
            raise NotFound()
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound() from None


def drop(data_dir: Path, owner: str, name: str) -> None:
    """Forget it; nothing happens when it is gone already."""
    _path(data_dir, owner, name).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Delete what is older than an hour."""
    for path in folder.iterdir():
        try:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue


def _path(data_dir: Path, owner: str, name: str) -> Path:
    if not 0 < len(name) <= 64 or not set(name) <= _NAME:
        raise NotFound()
    return data_dir / "uploads" / f"{owner}.{name}"
