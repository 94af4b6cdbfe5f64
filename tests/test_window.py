"""Window: it opens once, is redrawn, leaves the focus alone, and may be closed at any time."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

HISTORY = """
history = [
    {"epoch": epoch, "loss": 1 / epoch, "train_accuracy": 0.9, "test_loss": 1, "test_accuracy": 0.9,
     "learning_rate": 0.1} for epoch in (1, 2, 3)
]
"""


def run(script: str, *paths: Path, **environment: str) -> None:
    path = os.pathsep.join(map(str, (ROOT, *paths)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HISTORY + script],
        env=os.environ | environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def desktop(tmp_path: Path) -> Path:
    """Stands in for a desktop: matplotlib takes a back end that asks for "headless" everywhere."""
    (tmp_path / "pretended_desktop.py").write_text("""
from matplotlib import pyplot, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backend_bases import FigureManagerBase
events = []
closing = []
class Manager(FigureManagerBase):
    def show(self):
        events.append("raised" if rcParams["figure.raise_window"] else "shown")
class FigureCanvas(FigureCanvasAgg):
    required_interactive_framework = "headless"
    manager_class = Manager
    def draw(self):
        events.append(len(self.figure.axes[0].lines[0].get_xdata()))
    def flush_events(self):
        events.append("answers")
        if closing:
            pyplot.close(self.figure)
""")
    return tmp_path


def test_without_a_display_it_says_so_in_one_line_and_leaves_nothing_open() -> None:
    script = """
from matplotlib import pyplot
from nn.window import Window
try:
    Window("MNIST")
except RuntimeError as error:
    assert "cannot open a window" in str(error) and "\\n" not in str(error), error
    assert not pyplot.get_fignums()
else:
    raise AssertionError("no RuntimeError")
"""
    run(script, MPLBACKEND="agg")
    run(script, MPLBACKEND="", DISPLAY="", WAYLAND_DISPLAY="") if sys.platform == "linux" else None


def test_importing_it_picks_no_back_end() -> None:
    script = """
import sys, matplotlib
before = dict(dict.items(matplotlib.rcParams))
import nn.window
assert dict(dict.items(matplotlib.rcParams)) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    run(script, MPLBACKEND="agg")


def test_it_opens_at_the_first_epoch_and_is_redrawn_after_each(desktop: Path) -> None:
    script = """
from matplotlib import rcParams
from pretended_desktop import closing, events
from nn.window import Window
window = Window("MNIST")
assert not events
for epochs in (1, 2, 3):
    window.update(history[:epochs])
assert events == ["shown", 1, "answers", 2, "answers", 3, "answers"], events
assert rcParams["figure.raise_window"]
closing.append(True)
window.wait()
assert events[-1] == "answers" and window.closed
"""
    run(script, desktop, MPLBACKEND="module://pretended_desktop")


def test_a_window_that_was_closed_stays_closed_and_holds_nothing_up(desktop: Path) -> None:
    script = """
from pretended_desktop import closing, events
from nn.window import Window
window = Window("MNIST")
window.update(history[:1])
closing.append(True)
window.respond()
assert window.closed
before = list(events)
window.update(history)
window.respond()
window.wait()
assert events == before, events
"""
    run(script, desktop, MPLBACKEND="module://pretended_desktop")


def test_a_window_that_never_opened_is_not_waited_for(desktop: Path) -> None:
    script = """
from nn.window import Window
Window("MNIST").wait()
"""
    run(script, desktop, MPLBACKEND="module://pretended_desktop")


@pytest.fixture
def display() -> Iterator[str]:
    pytest.importorskip("tkinter", reason="tkinter is not installed")
    if not (server := shutil.which("Xvfb")):
        pytest.skip("Xvfb is not installed")
    command = [server, "-displayfd", "1", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        yield f":{process.stdout.readline().strip()}"
        process.terminate()


@pytest.mark.parametrize("how", ["in the middle", "while it waits", "Ctrl-C"])
def test_a_window_of_tk_on_a_real_display(display: str, how: str) -> None:
    script = f"""
import os, signal, threading
from matplotlib import pyplot
from nn.window import Window
window = Window("MNIST")
top = window.figure.canvas.manager.window
assert not top.winfo_ismapped()
window.update(history[:1])
assert top.winfo_ismapped()
window.update(history[:2])
if {how!r} == "in the middle":
    top.after(0, lambda: top.tk.eval(top.protocol("WM_DELETE_WINDOW")))
    window.respond()
    assert window.closed
elif {how!r} == "while it waits":
    top.after(200, lambda: top.tk.eval(top.protocol("WM_DELETE_WINDOW")))
window.update(history)
try:
    if {how!r} == "Ctrl-C":
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    window.wait()
    assert {how!r} != "Ctrl-C"
except KeyboardInterrupt:
    assert {how!r} == "Ctrl-C" and not window.closed
"""
    run(script, MPLBACKEND="tkagg", DISPLAY=display)
