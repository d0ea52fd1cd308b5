"""The submit endpoints of `MJSession`: one method each.

Checks and pictures first, then one request. Which fields there are and what they may hold
is decided in `_core.calls`, what the answer means in `_core.submit`.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Generic

from msgspec.structs import replace

from ._core import calls
from ._core.calls import Bot, ChangeAction, Common, Dimensions, Motion, Video, VideoType
from ._core.media import LARGEST_SWAP
from ._core.press import Press, answer_uncertain, pressed, without_buttons
from .errors import ConfigurationError, SubmitUncertainError
from .inputs import read_image, read_images
from .models import Button, ImageInput, Submission, T, Task
from .sending import Sending, new_state


class Submits(Sending[T], Generic[T]):
    """What `MJSession` can ask a server to do.

    Every method here but `upload` takes these, and answers with a `Submission`:

    - ``state`` comes back in the task. None makes a unique one; your own must be unique,
      too, and is 1 to 255 characters long.
    - ``notify_hook``: an http(s) address of at most 2,000 characters to which the server
      shall post progress; most relays drop it.
    - ``account_filter``: which accounts may run it, such as ``{"modes": ["FAST"]}``;
      trueai-org's server understands it, relays drop or replace it.
    - ``timeout``: seconds until the answer must be complete; None takes ``Timeouts.submit``.

    Some take ``bot``, ``MID_JOURNEY`` or ``NIJI_JOURNEY``; None leaves it to the server.

    Pictures are http(s) links, data URLs, bytes or paths. Bytes and files (PNG, JPEG, GIF,
    WebP) become data URLs, which all servers take; links go out as they are, which novicezk
    and the face swap of relays refuse. Files are read off the event loop. A request has
    at most 30,000,000 bytes, which is what trueai-org's server takes.

    Every method raises these:

    - `SubmitRejectedError`: the server refused; nothing was accepted.
    - `SubmitUncertainError`: it may have been accepted. It is not sent again: see `reconcile`.
    - `UnsupportedError`: the server has no such endpoint; the message says what to use.
    - `TransportError`: it could not be sent, after all attempts.
    - `AuthenticationError`: the server does not accept the key.
    - `RateLimitedError`: too many requests, after all attempts.
    - `ConfigurationError`: an argument is out of its range; nothing was sent.

    Cancelled once its first byte is out, a submit may have been accepted: a WARNING record
    and `MJSession.statistics` then keep its ``state``.
    """

    async def imagine(
        self,
        prompt: str,
        *,
        images: Iterable[ImageInput] = (),
        bot: Bot | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for a picture (contract 1.5, ``POST /mj/submit/imagine``).

        Args:
            prompt: What the picture shall show, with the parameters Midjourney knows.
            images: Pictures to start from, in the order of their weight in the prompt.
            bot: See `Submits`, as for the rest and what is raised.
            account_filter: See `Submits`.
            state: See `Submits`.
            notify_hook: See `Submits`.
            timeout: See `Submits`.
        """
        common = _common(state, notify_hook, account_filter, bot)
        request = calls.imagine(common, prompt, await read_images(images))
        return await self._submit(request, common.state, timeout)

    async def blend(
        self,
        images: Iterable[ImageInput],
        *,
        dimensions: Dimensions = "SQUARE",
        bot: Bot | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for a mixture of pictures (contract 1.5, ``POST /mj/submit/blend``).

        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            images: Two to five pictures.
            dimensions: ``PORTRAIT`` (2:3), ``SQUARE`` (1:1) or ``LANDSCAPE`` (3:2).
        """
        common = _common(state, notify_hook, account_filter, bot)
        request = calls.blend(common, await read_images(images), dimensions)
        return await self._submit(request, common.state, timeout)

    async def describe(
        self,
        image: ImageInput,
        *,
        language: str | None = None,
        bot: Bot | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for words for a picture (contract 1.5, ``POST /mj/submit/describe``).

        The words come in the task: in ``prompt_en`` and ``properties``, on novicezk in ``prompt``.
        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            image: The picture; a link goes out as ``link``, which novicezk does not know.
            language: ``zh`` has trueai-org's server translate the words.
        """
        common = _common(state, notify_hook, account_filter, bot)
        request = calls.describe(common, await read_image(image, "image"), language)
        return await self._submit(request, common.state, timeout)

    async def shorten(
        self,
        prompt: str,
        *,
        bot: Bot | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask which words of a prompt matter (contract 1.5, ``POST /mj/submit/shorten``).

        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            prompt: The prompt.
        """
        common = _common(state, notify_hook, account_filter, bot)
        return await self._submit(calls.shorten(common, prompt), common.state, timeout)

    async def change(
        self,
        task_id: str,
        action: ChangeAction,
        index: int | None = None,
        *,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for a follow-up of a grid (contract 1.5, ``POST /mj/submit/change``).

        novicezk has only this, relays have both, trueai-org's server has only `action`.
        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            task_id: A grid that has succeeded.
            action: ``UPSCALE``, ``VARIATION`` or ``REROLL``.
            index: Which of the four pictures, 1 to 4; needless for ``REROLL``.
        """
        common = _common(state, notify_hook, account_filter)
        request = calls.change(common, task_id, action, index)
        return await self._submit(request, common.state, timeout)

    async def action(
        self,
        task: Task | str,
        button: Button | str,
        *,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Press a button (contract 1.5 and 8, ``POST /mj/submit/action``).

        With a `Button` or a custom id that is one request. With a label and a bare id the
        task is fetched first. A task without buttons (novicezk) goes to `change`, which
        knows ``U1`` to ``U4``, ``V1`` to ``V4`` and ``🔄``.

        The answer may ask for more, ``needs_modal``: a zoom or a region always does, other
        buttons do where remix is on. Then call `modal` with the new task's id.
        The rest of the arguments, and what else is raised: see `Submits`.

        Args:
            task: The task, or its id.
            button: One of its buttons, a label (``"U1"``, ``"Vary (Strong)"``), an emoji
                (``"🔄"``) or a custom id.

        Raises:
            ConfigurationError: There is no such button; the message says which there are.
            TaskNotFoundError: The server does not know the task that was to be fetched.
        """
        common = _common(state, notify_hook, account_filter)
        press = pressed(task, button)
        if press is None:
            common.fields()  # checked before anything is sent
            known = task if isinstance(task, Task) else await self.fetch(task, timeout=timeout)
            press = _labelled(known, str(button))
        request = press.request(common)
        return await self._submit(request, common.state, timeout)

    async def modal(
        self,
        task_id: str,
        *,
        prompt: str | None = None,
        mask: ImageInput | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Give a task what it waits for (contract 1.5 and 8, ``POST /mj/submit/modal``).

        The answer names the same task. A server shows it as MODAL for a while longer: watch
        or wait for this method's `Submission`, and that counts as waiting.
        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            task_id: The task whose status is MODAL, or whose Submission ``needs_modal``.
            prompt: The new prompt; a custom zoom needs one with ``--zoom``. None keeps the
                parent's, where the server knows it.
            mask: Which region to redraw, for a task of the button "Vary (Region)"; no link.
        """
        common = _common(state, notify_hook, account_filter)
        data = None if mask is None else await read_image(mask, "mask")
        request = calls.modal(common, task_id, prompt, data)
        try:
            submission = await self._submit(request, common.state, timeout)
        except SubmitUncertainError as error:
            raise answer_uncertain(error, task_id) from error.__cause__
        asks_again = submission.code == 21  # the rest may be the first question's echo
        return replace(submission, answers_modal=True, needs_modal=asks_again)

    async def swap_face(
        self,
        source: ImageInput,
        target: ImageInput,
        *,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for one picture's face on another (contract 1.5, ``POST /mj/insight-face/swap``).

        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            source: The face, of at most 10 MiB. Relays take no links.
            target: The picture that gets it, of at most 10 MiB.
        """
        common = _common(state, notify_hook, account_filter)
        face = await read_image(source, "source", limit=LARGEST_SWAP)
        picture = await read_image(target, "target", limit=LARGEST_SWAP)
        return await self._submit(calls.swap_face(common, face, picture), common.state, timeout)

    async def edit(
        self,
        prompt: str,
        image: ImageInput,
        *,
        mask: ImageInput | None = None,
        bot: Bot | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for a change to a picture of your own (contract 1.5, ``POST /mj/submit/edits``).

        The rest of the arguments, and what is raised: see `Submits`.

        Args:
            prompt: What the changed picture shall show.
            image: The picture.
            mask: Which region to redraw; no link. trueai-org's server ignores it.
        """
        common = _common(state, notify_hook, account_filter, bot)
        data = None if mask is None else await read_image(mask, "mask")
        request = calls.edit(common, prompt, await read_image(image, "image"), data)
        return await self._submit(request, common.state, timeout)

    async def video(
        self,
        prompt: str,
        *,
        image: ImageInput | None = None,
        end_image: ImageInput | None = None,
        motion: Motion | None = None,
        loop: bool | None = None,
        action: str | None = None,
        task_id: str | None = None,
        index: int | None = None,
        video_type: VideoType | None = None,
        batch_size: int | None = None,
        bot: Bot | None = None,
        account_filter: Mapping[str, Any] | None = None,
        state: str | None = None,
        notify_hook: str | None = None,
        timeout: float | None = None,
    ) -> Submission:
        """Ask for a video (contract 1.5, ``POST /mj/submit/video``).

        What is None is left to the server. The rest of the arguments, and what is raised:
        see `Submits`.

        Args:
            prompt: What shall happen.
            image: The first picture.
            end_image: The last picture.
            motion: ``low`` or ``high``.
            loop: Whether it ends as it begins.
            action: ``extend`` makes the video ``task_id`` longer; both or neither.
            task_id: The video to extend.
            index: Which of the videos, 0 to 3.
            video_type: ``vid_1.1_i2v_480`` or ``vid_1.1_i2v_720``.
            batch_size: How many videos: 1, 2 or 4.
        """
        common = _common(state, notify_hook, account_filter, bot)
        options = Video(
            image=None if image is None else await read_image(image, "image"),
            end_image=None if end_image is None else await read_image(end_image, "end_image"),
            motion=motion,
            loop=loop,
            action=action,
            task_id=task_id,
            index=index,
            video_type=video_type,
            batch_size=batch_size,
        )
        return await self._submit(calls.video(common, prompt, options), common.state, timeout)

    async def upload(
        self, images: Iterable[ImageInput], *, timeout: float | None = None
    ) -> list[str]:
        """Put pictures where prompts can name them (contract 1.5, ``upload-discord-images``).

        Relays charge for it, so it is sent as carefully as any submit; what is raised: see
        `Submits`.

        Args:
            images: One picture or more.
            timeout: Seconds until the answer must be complete; None takes ``Timeouts.submit``.

        Returns:
            Their links.
        """
        common = _common()
        request = calls.upload(common, await read_images(images))
        submission = await self._submit(request, common.state, timeout, wants_links=True)
        return list(submission.urls)


def _common(
    state: str | None = None,
    notify_hook: str | None = None,
    account_filter: Mapping[str, Any] | None = None,
    bot: str | None = None,
) -> Common:
    return Common(new_state() if state is None else state, notify_hook, bot, account_filter)


def _labelled(task: Task, name: str) -> Press:
    """Find a task's button by name; without buttons there is `change`."""
    if task.buttons is None:
        return without_buttons(task.id, name)
    try:
        found = pressed(task, task.button(name))
    except LookupError as error:
        raise ConfigurationError(str(error)) from error
    assert found is not None  # noqa: S101 -- a Button needs no search
    return found
