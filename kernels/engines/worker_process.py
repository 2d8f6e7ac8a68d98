"""One worker process as the kernel sees it: started, spoken to, watched, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager

from modelhub.errors import BadRequest, EngineCrashed, EngineMissing, HubError, LoadCancelled, ModelFileError
from modelhub.kernels import settings
from modelhub.kernels.engines.base import Turn
from modelhub.kernels.protocol.load_params import LoadParams
from modelhub.kernels.system import environment
from modelhub.kernels.worker.link import HEADER, MAX_MESSAGE, Message, pack, unpack

LOG_LINES = 200
LOG_LINE = 2000  # bytes kept of a line
LOADING = "while it loaded"
HUNG_SECONDS = 10.0  # a worker that was told to stop a request is heard of again within this, or killed
QUIT_SECONDS = 2.0  # a worker that was asked to end gets this long before it is killed

INSTALL = (
    "local models need llama-cpp-python, which is not installed: type %pip install 'jupyter-modelhub[local]' "
    "(about 3 minutes of compiling). For a GPU set CMAKE_ARGS first: -DGGML_CUDA=on (NVIDIA), -DGGML_METAL=on (Apple), "
    "-DGGML_VULKAN=on (others), as in: CMAKE_ARGS=-DGGML_CUDA=on pip install 'jupyter-modelhub[local]'"
)


class WorkerProcess:
    """A running worker with its model loaded. Made by `start`; all methods run on the background loop."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, reader: asyncio.StreamReader) -> None:
        """Use `start`."""
        self.name = name
        self.process = process
        self.model: dict[str, object] = {}  # what the worker says of the loaded model
        self.gpu_memory = 0  # bytes that loading it took of the GPUs
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self._reader = reader
        self._writer: asyncio.StreamWriter
        self._requests: dict[int, asyncio.Queue[Message | None]] = {}
        self._status: deque[asyncio.Future[Message]] = deque()
        self._next = 0
        self._heard = 0.0  # when the last message came, by the loop's clock
        self._stopping: set[int] = set()  # requests it was told to stop and has not said so of
        self._gone = False
        self._ending = False  # whether its end was asked for
        self._said = 0  # lines logged in all, and when it was last heard of
        self._said_then = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._ended: Callable[[], None] = lambda: None

    @classmethod
    async def start(
        cls,
        name: str,
        path: str,
        load: LoadParams,
        progress: Callable[[float], None],
        turn: AbstractAsyncContextManager[Turn] | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> WorkerProcess:
        """Start a worker and load the GGUF at `path` into it.

        turn: waited for before the worker takes memory, and over when it has. ended: called when the worker, once
        loaded, has gone by itself. Cancelling this kills the process.

        Raises EngineMissing, ModelFileError (the file was refused), BadRequest (other load parameters would do) or
        EngineCrashed (the process died over it).
        """
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "modelhub.kernels.worker", str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,  # a Ctrl-C in the terminal is for the kernel
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        try:
            reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        except BaseException:
            ours.close()
            process.kill()
            await process.wait()
            raise
        worker = cls(name, process, reader)
        worker._writer = writer
        worker._tasks.append(asyncio.create_task(worker._read_log()))
        try:
            states = str(settings.states_home())
            asking = {"ask": turn is not None, "states": states}
            worker._send({"m": "load", "path": path, "load": load.to_dict(), **asking})
            async with contextlib.AsyncExitStack() as stack:
                await worker._loaded(path, progress, turn, stack)
        except BaseException as error:
            stopping = asyncio.create_task(worker.stop())
            while not stopping.done():
                with contextlib.suppress(asyncio.CancelledError):  # what is given up now must end all the same
                    await asyncio.wait([stopping])
            if isinstance(error, asyncio.CancelledError):
                raise LoadCancelled(f"loading {name} was stopped") from None
            raise
        worker._ended = ended
        worker._tasks.append(asyncio.create_task(worker._read()))
        return worker

    @property
    def alive(self) -> bool:
        """Whether the process runs, can be spoken to and has not been asked to end."""
        return not self._ending and not self._gone and self.process.returncode is None

    async def request(self, message: Message) -> AsyncGenerator[Message]:
        """Send a request and yield the messages that answer it, the last being `done` or `error`.

        Closing the iterator early cancels the request in the worker. Raises EngineCrashed.
        """
        if not self.alive:
            raise await self._crashed("before it was asked")
        self._next += 1
        number = self._next
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._requests[number] = queue
        over = False
        try:
            self._send({**message, "r": number})
            while True:
                answer = await queue.get()
                if answer is None:
                    over = True
                    raise await self._crashed("while it answered")
                over = answer["m"] in {"done", "error"}
                yield answer
                if over:
                    return
        finally:
            self._requests.pop(number, None)
            if not over and self.alive:
                self._send({"m": "cancel", "r": number})
                self._stopping.add(number)
                asyncio.get_running_loop().call_later(HUNG_SECONDS, self._end_if_hung, number)

    def _end_if_hung(self, number: int) -> None:
        """Kill a worker that was told to stop a request and says nothing more: its GPU, say, does not come back."""
        if number not in self._stopping or not self.alive:
            return
        silent = asyncio.get_running_loop().time() - self._heard
        if silent < HUNG_SECONDS:  # what it had sent before it hung may have come later
            asyncio.get_running_loop().call_later(HUNG_SECONDS - silent, self._end_if_hung, number)
        else:
            self.log.append(f"error: it did not answer for {HUNG_SECONDS:g} seconds and was killed")
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def status(self) -> Message:
        """The scheduler's own figures. Raises EngineCrashed."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._status.append(future)
        self._send({"m": "status"})
        return await future

    async def stop(self) -> None:
        """End the process: close its link, and kill it if that is not enough."""
        self._ending = True
        self._writer.close()
        await self._killed_after(QUIT_SECONDS)
        for task in self._tasks:
            task.cancel()
        self._hang_up()

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _loaded(
        self,
        path: str,
        progress: Callable[[float], None],
        waited_for: AbstractAsyncContextManager[Turn] | None,
        stack: contextlib.AsyncExitStack,
    ) -> None:
        turn: Turn | None = None
        while True:
            message = await self._receive()
            if message is None:
                crash = await self._crashed(LOADING)
                if "No module named 'llama_cpp'" in "".join(self.log):
                    raise EngineMissing(INSTALL)
                raise crash
            if message["m"] == "progress":
                progress(message["part"])
            elif message["m"] == "asks":
                assert waited_for is not None
                turn = await stack.enter_async_context(waited_for)
                self._send({"m": "measure", "allowance": await turn.allowance(self.process.pid)})
            elif message["m"] == "needs":
                assert turn is not None
                again = await turn.make(message)
                self._send({"m": "measure" if again else "go", "allowance": await turn.allowance(self.process.pid)})
            elif message["m"] == "failed" and message["kind"] == "BadRequest":
                holders = await turn.holders() if turn is not None and message["memory"] else ""
                raise BadRequest(f"cannot load {path!r}: {message['text']}{holders}", path=path)
            elif message["m"] == "failed":
                await self.process.wait()
                await asyncio.wait(self._tasks)  # the log is whole once the process is gone
                why = _reason(self.log)
                raise ModelFileError(
                    f"cannot load {path!r}: {message['text']}{': ' + why if why else ''}",
                    path=path,
                    log=list(self.log),
                )
            elif message["m"] == "ready":
                self.model, self.gpu_memory = message["model"], message["gpu_memory"]
                return

    async def _receive(self) -> Message | None:
        try:
            (length,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            if length > MAX_MESSAGE:
                return None
            message = unpack(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, ValueError):
            return None
        self._said_then = self._said
        self._heard = asyncio.get_running_loop().time()
        return message

    async def _read(self) -> None:
        """Hand the worker's messages to the requests they belong to, until it is gone."""
        while (message := await self._receive()) is not None:
            if message["m"] == "step":
                for delta in message["d"]:
                    if queue := self._requests.get(delta[0]):
                        queue.put_nowait({"m": "delta", "d": delta})
            elif message["m"] == "status":
                if self._status and not (asked := self._status.popleft()).done():
                    asked.set_result(message)
            elif message["m"] == "cancelled":
                self._stopping.discard(message["r"])
            elif queue := self._requests.get(message["r"]):
                queue.put_nowait(message)
        self._gone = True
        self._writer.close()
        self._hang_up()
        if not self._ending:
            self._ended()
            # Its link is broken, whatever else it does. Not killed at once: Popen.kill polls, and so would take the
            # exit status of a process that has ended from asyncio, which then reports 255.
            await self._killed_after(QUIT_SECONDS)

    async def _killed_after(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()

    def _hang_up(self) -> None:
        for queue in self._requests.values():
            queue.put_nowait(None)
        while self._status:
            if not (asked := self._status.popleft()).done():
                asked.set_exception(EngineCrashed(f"the worker of {self.name} is gone"))

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        rest = b""
        while chunk := await self.process.stderr.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LOG_LINE:  # what a file calls itself may be of any length
                lines, rest = [*lines, rest], b""
            for text in (line[:LOG_LINE].decode("utf-8", "replace").rstrip() for line in lines):
                if text.strip(". "):
                    self.log.append(text)
                    self._said += 1

    async def _crashed(self, when: str) -> HubError:
        """The error for a worker that is gone, with the last it said."""
        asked = self._ending
        code = await self.process.wait()
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=1)
        why = f"signal {-code}" if code < 0 else f"exit code {code}"
        fresh = self._said - self._said_then  # what it said since it was last heard of
        last = _reason(list(self.log)[-fresh:]) if fresh else ""
        then = "The next request starts a new one."
        if when == LOADING and not asked:
            then = "The file may be damaged, or need more memory than there is."
        return EngineCrashed(
            f"the worker of {self.name} {'was ended' if asked else f'died ({why})'} {when}"
            f"{': ' + last if last else ''}. {then}",
            log=list(self.log),
        )

    def _send(self, message: Message) -> None:
        if not self._writer.is_closing():
            self._writer.write(pack(message))


def _environment() -> dict[str, str]:
    kept = environment()
    if "OMP_WAIT_POLICY" not in kept:
        # How often OpenMP's threads look before they sleep. The usual 300,000 times keeps cores busy with waiting for
        # a thread that has none: 1B, two threads, two cores, one busy neighbour: 4 tokens/s instead of 19 with 1,000
        # looks (one thread: 30), until the governor takes a thread away. With no neighbour but the kernel one stream
        # had 0.91 of llama-bench's speed with 1,000 looks, 0.955 with 10,000 (n=5 each; 0.90 in a later run).
        kept["GOMP_SPINCOUNT"] = os.environ.get("GOMP_SPINCOUNT", "10000")
    # On an abort ggml would start a debugger where one is installed, which takes a second and can stay behind.
    return {**kept, "GGML_NO_BACKTRACE": "1", "PYTHONUNBUFFERED": "1"}


# What says why in a worker's log, what says most first: an assertion, an uncaught exception, a refusal, anything else.
_TELLING = (
    ("GGML_ASSERT", "what(): "),
    ("gguf_init_from", "error loading model"),
    ("error", "failed", "unsupported", "unknown", "invalid", "Error"),
)


def _reason(log: Iterable[str]) -> str:
    """The line of the log that most likely says why, or an empty string."""
    lines = [line for line in log if not line.startswith("print_info:")]  # "… = unknown" is no reason
    for marks in _TELLING:
        for line in lines:
            if any(mark in line for mark in marks):
                line = re.sub(r"\S*/(?=\S+:\d+: )", "", line).strip()  # the folder llama.cpp was compiled in
                return line if len(line) <= 300 else line[:297] + "..."
    return ""
