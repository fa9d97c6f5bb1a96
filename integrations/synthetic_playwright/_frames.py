"""Which browser context a frame belongs to, or a worker.

A paused request names its frame. The main frame of a page, a frame in a process of its own and a worker are *targets*,
and their context is known. Any other frame stands in the frame tree of one of these.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any

from playwright.sync_api import Error

from synthetic_playwright._flow import Flow

__all__ = ["Frames"]

_REMEMBERED = 4096
_HAVE_FRAMES = ("page", "iframe")
_GET_FRAME_TREE = json.dumps({"id": 1, "method": "Page.getFrameTree"})


class Frames:
    """The frames of one browser; ``session`` is a session with the browser itself."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._asked: dict[str, str] = {}
        """By the session with a target that was asked for its tree: the context of the target."""

    def owner(self, frame: str) -> Flow[str | None]:
        """Return the id of the context of ``frame``; None if the frame is not known yet."""
        if frame and frame not in self._owners:
            try:
                found = yield partial(self._session.send, "Target.getTargetInfo", {"targetId": frame})
            except Error:
                return None  # not a target
            self._note(frame, found["targetInfo"].get("browserContextId", ""))
        return self._owners.get(frame)

    def known(self, frame: str) -> str | None:
        """Return the id of the context of ``frame`` without asking anybody."""
        return self._owners.get(frame)

    def ask(self) -> Flow[set[str]]:
        """Ask every target for its frame tree; return the sessions that will answer."""
        asked: set[str] = set()
        targets = yield partial(self._session.send, "Target.getTargets")
        for target in targets["targetInfos"]:
            if target["type"] in _HAVE_FRAMES:
                try:
                    # Not flattened: Playwright hands out no messages of sessions that it does not know.
                    to_target = {"targetId": target["targetId"], "flatten": False}
                    session = (yield partial(self._session.send, "Target.attachToTarget", to_target))["sessionId"]
                    self._asked[session] = target.get("browserContextId", "")
                    asked.add(session)
                    message = {"sessionId": session, "message": _GET_FRAME_TREE}
                    yield partial(self._session.send, "Target.sendMessageToTarget", message)
                except Error:
                    continue  # the target is gone
        return asked

    def answered(self, event: Any) -> Flow[None]:
        """Note the frames of a tree, and end the session that has sent it."""
        session = event["sessionId"]
        tree = json.loads(event["message"]).get("result", {}).get("frameTree")
        if session in self._asked and tree is not None:
            for frame in _frames_in(tree):
                self._note(frame, self._asked[session])
        try:
            yield partial(self._session.send, "Target.detachFromTarget", {"sessionId": session})
        except Error:
            return  # it has ended

    def ended(self, session: str) -> None:
        """Forget a session that has ended."""
        self._asked.pop(session, None)

    def is_open(self, session: str) -> bool:
        """Whether a session may still answer."""
        return session in self._asked

    def _note(self, frame: str, owner: str) -> None:
        self._owners[frame] = owner
        if len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)


def _frames_in(tree: Any) -> Iterator[str]:
    yield tree["frame"]["id"]
    for child in tree.get("childFrames", ()):
        yield from _frames_in(child)
