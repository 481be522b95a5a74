"""Servers as child processes: found, started on free loopback ports, awaited, stopped, and never outliving their parent."""

import asyncio
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from datastore.loopback import free, free_ports

READY_SECONDS = 60.0
"""How long a server may take to answer; recovering a big database after a crash takes its time."""
STOP_SECONDS = 15.0
"""How long a server may take to stop before it is killed. Both keep what they acknowledged even then."""
HANDOVER_SECONDS = 3.0
"""How long a server whose parent was killed may take to let go of its directory."""
POLL_SECONDS = 0.02
PORT_ATTEMPTS = 5

_PORT_TAKEN = ("ddress already in use", "Port allocation failed")
"""How MongoDB, Go and SeaweedFS say so."""
_TETHER = Path(__file__).with_name("tether.py")
_log = logging.getLogger(__name__)


class EmbeddedServerError(RuntimeError):
    """An embedded server cannot run here, or stopped. The message is one line and says the mend."""


class PortTakenError(EmbeddedServerError):
    """Another process listens on a port that the server was to use."""


@dataclass(frozen=True)
class Program:
    """A server program: its file's name, the wheels that may carry it, and the setting that does without it."""

    name: str
    wheels: tuple[str, ...]
    setting: str

    def locate(self) -> Path:
        """Find the program in its wheel or else on the PATH, and see that it may be run. Raises EmbeddedServerError."""
        on_path = shutil.which(self.name)
        path = self._in_a_wheel() or (Path(on_path) if on_path else None)
        if path is None:
            raise EmbeddedServerError(f"there is no {self.name} for this platform: put one on the PATH, or set {self.setting}")
        return _runnable(path)

    def _in_a_wheel(self) -> Path | None:
        for wheel in self.wheels:
            with suppress(metadata.PackageNotFoundError):
                for file in metadata.distribution(wheel).files or ():
                    if file.name == self.name and (path := Path(str(file.locate())).resolve()).is_file():
                        return path
        return None


@dataclass(frozen=True)
class Recipe:
    """What it takes to run one server in its directory, which belongs to it alone."""

    program: Program
    directory: Path
    port_count: int
    arguments: Callable[[Sequence[int]], Sequence[str]]
    answers: Callable[["Child"], Awaitable[bool]]
    wanted_port: int | None = None
    stop_seconds: float = STOP_SECONDS
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Child:
    """A server that was started, with the ports it was given, in the recipe's order."""

    name: str
    process: subprocess.Popen[bytes]
    ports: tuple[int, ...]
    log: Path


@asynccontextmanager
async def running(recipe: Recipe) -> AsyncIterator[Child]:
    """Run a server until the context ends.

    It uses the ports of last time where they are free, so that addresses last over restarts. It dies with the thread that
    entered this context, however that ends (see tether.py), so enter it from one that lives as long as the server shall.

    Raises EmbeddedServerError.
    """
    program = recipe.program.locate()
    async with _hold(recipe.directory, recipe.program) as lock:
        child = await _start(recipe, program, lock)
        try:
            yield child
        finally:
            if (code := child.process.poll()) is not None:
                _log.error("%s had stopped by itself with code %s; its log is %s", child.name, code, child.log)
            await _stop(child, recipe.stop_seconds)


async def _start(recipe: Recipe, program: Path, lock: int) -> Child:
    for attempt in range(1, PORT_ATTEMPTS + 1):
        try:
            child = _spawn(recipe, program, _choose_ports(recipe, afresh=attempt > 1), lock)
        except OSError as error:
            raise EmbeddedServerError(f"{recipe.program.name} cannot be started in {recipe.directory}: {error.strerror}") from None
        try:
            await _await_answer(child, recipe.answers)
        except PortTakenError:  # someone was faster between our look and the server's start
            if recipe.wanted_port is not None or attempt == PORT_ATTEMPTS:
                raise
            continue
        except BaseException:
            await _stop(child, seconds=0)
            raise
        return child
    raise AssertionError  # the last attempt returned or raised


def _spawn(recipe: Recipe, program: Path, ports: tuple[int, ...], lock: int) -> Child:
    (recipe.directory / "data").mkdir(exist_ok=True)
    _ports_file(recipe).write_text(json.dumps(ports), encoding="ascii")
    log = recipe.directory / f"{recipe.program.name}.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the program is ours, and no shell is involved
            [*tether, str(program), *recipe.arguments(ports)],
            cwd=recipe.directory,
            env={"HOME": str(recipe.directory.resolve()), **recipe.environment},  # nothing of ours, least of all secrets
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),  # so the directory stays held until the server itself has gone
            start_new_session=True,  # Ctrl-C in a terminal is for us, who stop the servers last
        )
    os.truncate(lock, 0)
    os.pwrite(lock, str(process.pid).encode(), 0)
    return Child(recipe.program.name, process, ports, log)


async def _await_answer(child: Child, answers: Callable[[Child], Awaitable[bool]]) -> None:
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await answers(child):
                _raise_if_stopped(child)
                await asyncio.sleep(POLL_SECONDS)
            _raise_if_stopped(child)
    except TimeoutError:
        raise EmbeddedServerError(f"{child.name} did not answer in {READY_SECONDS:g} s; its log is {child.log}") from None


def _raise_if_stopped(child: Child) -> None:
    code = child.process.poll()
    if code is None:
        return
    if code == -signal.SIGILL:
        raise EmbeddedServerError(f"{child.name} cannot run on this processor, which lacks instructions that it needs (such as AVX)")
    complaint = last_complaint(child.log)
    kind = PortTakenError if any(words in complaint for words in _PORT_TAKEN) else EmbeddedServerError
    raise kind(f"{child.name} stopped with code {code}: {complaint} (its log is {child.log})")


async def _stop(child: Child, seconds: float) -> None:
    """Ask the server to stop, and kill it if it does not in time or if we are cancelled meanwhile."""
    child.process.terminate()
    try:
        if not await _until(lambda: child.process.poll() is not None, seconds) and seconds:
            _log.info("%s did not stop in %g s and was killed", child.name, seconds)
    finally:
        child.process.kill()
        child.process.wait()


@asynccontextmanager
async def _hold(directory: Path, program: Program) -> AsyncIterator[int]:
    """Keep all others from a directory; the lock is the kernel's, so none is left behind by a process that was killed."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise EmbeddedServerError(f"{directory} cannot hold the data of {program.name}: {error.strerror}") from None
    try:
        await _take(lock, directory, program)
        yield lock
    finally:
        os.close(lock)


async def _take(lock: int, directory: Path, program: Program) -> None:
    if not await _until(lambda: take_lock(lock), HANDOVER_SECONDS):
        owner = os.pread(lock, 20, 0).decode("ascii", "replace") or "unknown"
        raise EmbeddedServerError(
            f"{directory} is in use by another {program.name} (process {owner}): stop it, or choose another TILLSTREAM_DATA_DIR"
        )


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for a condition of another process, of which no event tells us. Returns whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(POLL_SECONDS)
    return True


def take_lock(file: int, *, shared: bool = False) -> bool:
    """Whether the open file could be locked at once; the kernel lets go of it however this process ends. Any number share a lock."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _choose_ports(recipe: Recipe, *, afresh: bool) -> tuple[int, ...]:
    if recipe.wanted_port is not None:
        if not free(recipe.wanted_port):
            raise PortTakenError(f"port {recipe.wanted_port} is taken: {recipe.program.name} cannot use it")
        return (recipe.wanted_port, *free_ports(recipe.port_count - 1))
    last = () if afresh else _ports_of_last_time(recipe)
    return last if len(last) == recipe.port_count and all(map(free, last)) else free_ports(recipe.port_count)


def _ports_of_last_time(recipe: Recipe) -> tuple[int, ...]:
    try:
        ports = json.loads(_ports_file(recipe).read_text(encoding="ascii"))
    except (OSError, ValueError):  # none yet, or not ours
        return ()
    usable = isinstance(ports, list) and all(isinstance(port, int) and 0 < port < 1 << 16 for port in ports)
    return tuple(ports) if usable else ()


def _ports_file(recipe: Recipe) -> Path:
    return recipe.directory / "ports.json"


def _runnable(path: Path) -> Path:
    if not os.access(path, os.X_OK):
        try:
            path.chmod(path.stat().st_mode | 0o111)  # some installers lose the bit that the wheel had
        except OSError:
            raise EmbeddedServerError(f"{path} may not be run, and it cannot be changed from here: chmod +x it") from None
    return path


def last_complaint(log: Path) -> str:
    """Find why a server stopped: its last line marked as an error (MongoDB's JSON or Go's glog format), else its last line."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    complaints = (complaint for line in reversed(lines) if (complaint := _complaint(line)))
    return next(complaints, lines[-1] if lines else "it said nothing")[:300]


def _complaint(line: str) -> str | None:
    with suppress(ValueError):
        entry = json.loads(line)
        if isinstance(entry, dict):
            return f"{entry.get('msg')} {json.dumps(entry.get('attr', {}))}" if entry.get("s") in {"E", "F"} else None
    return line if line[:1] in {"E", "F"} and line[1:5].isdigit() else None
