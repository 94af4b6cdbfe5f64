"""A window that shows the curves of a run while it trains."""

from collections.abc import Mapping, Sequence
from time import sleep

from nn.plots import draw_curves


class Window:
    """A window with the curves of a run, opened by the first `update`.

    Raises RuntimeError where matplotlib has no window to open: no display, no toolkit.
    """

    def __init__(self, title: str) -> None:
        # Importing pyplot picks a back end for the whole process, which only a window needs.
        from matplotlib import pyplot

        try:
            figure = pyplot.figure(figsize=(9, 4.4), facecolor="white", layout="constrained")
        except Exception as error:  # each toolkit has its own, for what is missing
            raise RuntimeError(f"matplotlib cannot open a window: {error}") from error
        if figure.canvas.required_interactive_framework is None or figure.canvas.manager is None:
            pyplot.close(figure)
            words = "no display, no toolkit (Qt, Tk, GTK), or a back end that only writes files"
            raise RuntimeError(f"matplotlib cannot open a window: {words}")
        figure.canvas.manager.set_window_title(title)
        self.title = title
        self.figure = figure
        self._shown = False

    @property
    def closed(self) -> bool:
        """Whether somebody has closed the window; it stays closed then."""
        from matplotlib import pyplot

        return not pyplot.fignum_exists(self.figure.number)

    def update(self, history: Sequence[Mapping[str, float]]) -> None:
        """Draw the curves of the epochs so far, leaving the focus where it is."""
        from matplotlib import pyplot, rc_context

        if self.closed:
            return
        draw_curves(self.figure, history, self.title)
        if not self._shown:
            with rc_context({"figure.raise_window": False}):
                pyplot.show(block=False)
            self._shown = True
        # Drawn here, not when idle: Tk swallows what is raised in its callbacks, Ctrl-C among it.
        self.figure.canvas.draw()
        self.respond()

    def respond(self) -> None:
        """Let the window answer the mouse; called between steps, it does not freeze in long epochs."""
        if not self.closed:
            self.figure.canvas.flush_events()

    def wait(self) -> None:
        """Leave the window open until somebody closes it, or Ctrl-C raises KeyboardInterrupt."""
        # A toolkit's own loop notices Ctrl-C only with the next event, in some of them.
        while self._shown and not self.closed:
            self.respond()
            sleep(0.02)
