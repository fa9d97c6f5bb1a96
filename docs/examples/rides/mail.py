"""The mail server: takes every message over SMTP and writes down which ride it is about."""

from __future__ import annotations

import asyncio
import email
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

import serving


class Mailbox:
    def __init__(self) -> None:
        self._notebook = serving.Notebook(Path("mail.txt"))

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.original_content)
        self._notebook.write(message["Subject"].rpartition(" ")[2])
        return "250 OK"


async def main() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    mailbox = Mailbox()
    listener = serving.listen()
    async with await loop.create_server(lambda: SMTP(mailbox, hostname="mail"), sock=listener):
        serving.announce(listener.getsockname()[1])
        serving.when_the_demo_ends(lambda: loop.call_soon_threadsafe(ended.set))
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
