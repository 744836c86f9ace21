"""The entry point of every process: `flask --app wsgi …`."""

import gc
import sys

# What is loaded stays: looking at it takes the collector a third of the time of a start.
gc.disable()

from app import create_app  # noqa: E402
from app.commands import needs_pages  # noqa: E402
from app.infrastructure import data_folder, logs  # noqa: E402
from app.settings import SettingsError, load_settings  # noqa: E402

try:
    settings = load_settings()
    data_folder.make_private(settings.data_dir)
    with data_folder.written(settings.data_dir):
        _ = settings.signing_key
except data_folder.FolderUnusable as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(1) from None
except SettingsError as error:
    sys.stderr.write(f"This setting cannot be used. {error}\n")
    raise SystemExit(2) from None
logs.configure(settings.log_level)
app = create_app(settings, web=needs_pages(sys.argv[1:]))
gc.freeze()
gc.enable()
