"""A process of its own that fits blocks: what fits have taken of memory goes with it.

TensorFlow keeps memory that it has had. A run that fits in the process which then writes the model would need both.
"""

import contextlib
import os
import pathlib
import pickle
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, cast

from keras_inr.errors import MachineError

LOOK_SECONDS = 0.2
"""Between two looks at whether the run should stop."""


@contextlib.contextmanager
def block_worker(modules: Sequence[str] = ()) -> Iterator["Worker"]:
    """Starts the process; gives the `execute` that `run_blocks` takes. The process ends with the last task.

    It computes on the processor alone.

    Args:
        modules: files whose presets it has to know, see `keras_inr.presets.load_module`.
    """
    command = [sys.executable, "-m", "keras_inr.cli.block_worker", *modules]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    # Ctrl-C in a terminal is for the process that called; this one ends with its standard input
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    worker = Worker(process)
    try:
        yield worker
    finally:
        worker.end()


class Worker:
    """Fits one block after the other in a process.

    Args:
        process: that runs `main`.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.questions, self.answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)

    def __call__(self, tasks: Iterable[Any], plan: Any, should_stop: Callable[[], bool]) -> Iterator[Any]:
        """Yields the outcomes of each task, in their order.

        Raises:
            MachineError: where the process has ended.
        """
        try:
            self._send(plan)
            for task in tasks:
                if should_stop():
                    return
                self._send(task)
                while not select.select([self.answers], [], [], LOOK_SECONDS)[0]:
                    if should_stop():
                        return
                kind, answer = pickle.load(self.answers)  # of our own process
                if kind == "error":
                    raise answer
                yield answer
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            code = self.process.wait()
            memory = ", perhaps for want of memory" if code == -signal.SIGKILL else ""  # which Linux ends so
            how = f"exit code {code}" if code >= 0 else f"signal {-code}{memory}"
            raise MachineError(
                f"the process that fits blocks has ended by {how}; finished blocks are kept, and resume=True goes on"
            ) from None
        finally:
            self.end()

    def held(self) -> int:
        """The most bytes of memory that the process has held; 0 where the system does not tell."""
        with contextlib.suppress(OSError):
            lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
        return 0

    def _send(self, value):
        pickle.dump(value, self.questions, protocol=pickle.HIGHEST_PROTOCOL)
        self.questions.flush()

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        self.process.kill()
        for stream in (self.questions, self.answers):
            with contextlib.suppress(OSError):  # of what was still to be written
                stream.close()
        self.process.wait()


def main(modules: Sequence[str]) -> None:
    """Reads a plan and tasks from standard input, and writes outcomes to standard output, until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anybody prints is for people
    from keras_inr.cli.startup import import_tensorflow

    import_tensorflow()
    from keras_inr.blocks.work import fit_block
    from keras_inr.presets import load_module

    for path in modules:
        load_module(path)
    questions = sys.stdin.buffer
    with contextlib.suppress(EOFError, BrokenPipeError, pickle.UnpicklingError, KeyboardInterrupt):  # nobody asks on
        plan = pickle.load(questions)
        while True:
            answer(answers, fit_block, pickle.load(questions), plan)


def answer(stream: BinaryIO, work: Callable[[Any, Any], Any], task: Any, plan: Any) -> None:
    """Writes what becomes of a task: ("outcomes", list), or ("error", exception)."""
    try:
        found: tuple[str, Any] = ("outcomes", work(task, plan))
    except Exception as error:
        found = ("error", portable(error))
    stream.write(pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL))
    stream.flush()


def portable(error: Exception) -> Exception:
    """The error itself where it comes through a pipe whole, else one with its traceback as text."""
    try:
        if str(pickle.loads(pickle.dumps(error))) == str(error):
            return error
    except Exception:  # whatever a class raises that is not made for it
        pass
    return RuntimeError("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main(sys.argv[1:])
