"""Why a process that the supervisor had to start again was gone, in words."""

import signal

STOOD_STILL = "It had been stopped by a signal and did not go on, so it was ended."
SIGNALS = {
    signal.SIGKILL: "It was killed (SIGKILL): by somebody, or by the system because memory ran out.",
    signal.SIGTERM: "Somebody asked it to end (SIGTERM).",
    signal.SIGINT: "Somebody interrupted it (SIGINT).",
    signal.SIGSEGV: "It crashed (SIGSEGV), which is a fault in a library.",
    signal.SIGABRT: "It gave up (SIGABRT), which is a fault in a library.",
}


def cause_of(status: int) -> str:
    """What the wait status of a process says, in words."""
    # As os.waitstatus_to_exitcode: negative for a signal.
    number, code = status & 0x7F, status >> 8
    if not number:
        return (
            "It ended by itself."
            if code == 0
            else f"It ended with an error (exit code {code}); the log says which."
        )
    try:
        name = signal.Signals(number)
    except ValueError:
        return f"It was ended by signal {number}."
    return SIGNALS.get(name) or f"It was ended by a signal ({name.name})."
