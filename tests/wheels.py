"""Which wheels each locked library has: `python -m tests.wheels` writes their names to tests/wheels.txt.

`make lock` does it: hashes alone do not say for which machines a version can be installed without a compiler.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from pathlib import Path

from packaging.markers import Environment
from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
LOCK, NAMES = ROOT / "requirements.lock", ROOT / "tests" / "wheels.txt"
SOURCES = {"crontab"}
"""Libraries in Python alone that have no wheel: pip installs their source, without a compiler."""
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 14))
OURS = re.compile(r"none-any|manylinux.*(x86_64|aarch64)|macosx.*(arm64|universal2)")


def _linux(machine: str) -> list[str]:
    old = [f"manylinux{name}_{machine}" for name in ("1", "2010", "2014")]
    return [f"manylinux_2_{minor}_{machine}" for minor in range(34, 4, -1)] + old


PLATFORMS = {
    "Linux x86-64": (_linux("x86_64"), "linux", "x86_64"),
    "Linux ARM": (_linux("aarch64"), "linux", "aarch64"),
    "macOS ARM": (list(mac_platforms((14, 0), "arm64")), "darwin", "arm64"),
}


def locked() -> list[Requirement]:
    """Every library of requirements.lock, with its marker."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [Requirement(line.removesuffix("\\").strip()) for line in lines if line[:1].strip()]


def recorded() -> dict[tuple[str, str], set[Tag]]:
    """Name and version -> the tags of its wheels."""
    found: dict[tuple[str, str], set[Tag]] = defaultdict(set)
    for line in NAMES.read_text(encoding="utf-8").split():
        name, version, _build, tags = parse_wheel_filename(line)
        found[name, str(version)] |= tags
    return found


def tags_of(python: tuple[int, int], platforms: list[str]) -> set[Tag]:
    interpreter = f"cp{python[0]}{python[1]}"
    return {*cpython_tags(python, platforms=platforms), *compatible_tags(python, interpreter, platforms)}


def environment(python: tuple[int, int], system: str, machine: str) -> Environment:
    """What markers of requirements ask about."""
    version = ".".join(map(str, python))
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{version}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Darwin" if system == "darwin" else "Linux",
        "platform_version": "",
        "python_full_version": f"{version}.0",
        "python_version": version,
        "sys_platform": system,
    }


def pinned(requirement: Requirement) -> tuple[str, str]:
    [only] = requirement.specifier
    return canonicalize_name(requirement.name), only.version


def write() -> None:
    """Ask the index which wheels the locked versions have; only names are kept."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "pylock.toml"
        command = [
            str(Path(sys.executable).with_name("uv")),
            "pip",
            "compile",
            "--quiet",
            "--no-cache",
            "--universal",
        ]
        command += [
            "--python-version",
            "3.11",
            "--format",
            "pylock.toml",
            str(LOCK),
            "--output-file",
            str(answer),
        ]
        subprocess.run(command, check=True)
        packages = tomllib.loads(answer.read_text(encoding="utf-8"))["packages"]
    names = {
        (wheel.get("name") or wheel["url"].rsplit("/", 1)[-1]).replace("%2B", "+")
        for package in packages
        for wheel in package.get("wheels", [])
    }
    kept = sorted(name for name in names if OURS.search(name))
    NAMES.write_text("\n".join(kept) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
