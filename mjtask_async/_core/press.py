"""Which request presses a button: ``submit/action``, or ``submit/change`` where there are none."""

import re
from copy import copy

from msgspec import Struct

from ..errors import ConfigurationError, SubmitUncertainError
from ..models import Button, Task
from . import calls
from .wire import Request

_CHANGES = {"U": "UPSCALE", "V": "VARIATION"}
_NUMBERED = re.compile(r"([UV])([1-4])")
_REROLLS = frozenset(("🔄", "R"))


class Press(Struct, frozen=True):
    """A button of a task, found.

    Attributes:
        task_id: The task.
        custom_id: What the button sends; empty where there are no buttons.
        change: The action that stands for it then, and its index.
    """

    task_id: str
    custom_id: str = ""
    change: tuple[str, int | None] = ("", None)

    def request(self, common: calls.Common) -> Request:
        """Make the request that presses it."""
        if self.custom_id:
            return calls.action(common, self.task_id, self.custom_id)
        return calls.change(common, self.task_id, *self.change)


def pressed(task: Task | str, button: Button | str) -> Press | None:
    """Say what to press, or None for a label, which only the task's buttons explain.

    Raises:
        ConfigurationError: The button has no custom id.
    """
    custom_id = button.custom_id if isinstance(button, Button) else button
    if not isinstance(custom_id, str) or not custom_id.strip():
        raise ConfigurationError(f"{button!r} has no custom id; give another button")
    if not isinstance(button, Button) and "::" not in custom_id:
        return None
    return Press(task.id if isinstance(task, Task) else task, custom_id)


def without_buttons(task_id: str, name: str) -> Press:
    """Say what stands for a button on a server that has none (novicezk).

    Raises:
        ConfigurationError: Nothing does.
    """
    name = name.replace("\ufe0f", "").strip()
    if name in _REROLLS:
        return Press(task_id, change=("REROLL", None))
    match = _NUMBERED.fullmatch(name)
    if match is None:
        raise ConfigurationError(
            f"task {task_id} has no buttons, so there is no {name!r}: "
            "use U1 to U4, V1 to V4 or 🔄, or wait until it has succeeded"
        )
    return Press(task_id, change=(_CHANGES[match[1]], int(match[2])))


def answer_uncertain(error: SubmitUncertainError, task_id: str) -> SubmitUncertainError:
    """Say what can be found out of a modal that may have arrived: it makes no task of its own."""
    message = (
        f"the answer to task {task_id} may have arrived: {error.args[0]}. A modal makes no task "
        f"of its own, so its state is nowhere: while fetch({task_id!r}) shows MODAL it may not have"
    )
    said = copy(error)
    said.args = (message,)
    return said
