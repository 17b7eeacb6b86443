"""A vosk-server for tests: its websocket protocol over the real vosk library, and the ways in which it may fail.

{"config": …} ─▶ ┐
sound ──────────▶├─▶ KaldiRecognizer ─▶ one answer to each ─▶ after {"eof" : 1} the last one, and the end
{"eof" : 1} ────▶┘
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vosk  # type: ignore[import-untyped]
from aiohttp import WSMsgType, web


@dataclass
class Server:
    """Set `mood` and it misbehaves: away | mute | break | nonsense | late."""

    model: Any = None
    url: str = ""
    mood: str = ""
    configs: list[dict[str, Any]] = field(default_factory=list)
    talks: int = 0
    live: int = 0

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        if self.mood == "away":
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.live += 1
        try:
            await self._talk(socket)
        finally:
            self.live -= 1
        return socket

    async def _talk(self, socket: web.WebSocketResponse) -> None:
        recognizer = None
        config: dict[str, Any] = {}
        async for message in socket:
            if message.type is WSMsgType.TEXT and "config" in message.data:
                config = json.loads(message.data)["config"]
                self.configs.append(config)
                continue
            if self.mood == "break":
                return
            if self.mood == "mute":
                continue
            if self.mood == "nonsense":
                await socket.send_str("no JSON")
                continue
            if recognizer is None:
                self.talks += 1
                recognizer = self._recognizer(config)
            if message.type is WSMsgType.TEXT and message.data == '{"eof" : 1}':
                if self.mood == "late":
                    await asyncio.sleep(30)
                await socket.send_str(recognizer.FinalResult())
                return
            done = recognizer.AcceptWaveform(message.data)
            await socket.send_str(recognizer.Result() if done else recognizer.PartialResult())

    def _recognizer(self, config: dict[str, Any]) -> Any:
        phrases = [json.dumps(config["phrase_list"], ensure_ascii=False)] if config.get("phrase_list") else []
        recognizer = vosk.KaldiRecognizer(self.model, float(config.get("sample_rate", 8000)), *phrases)
        recognizer.SetWords(bool(config.get("words", True)))
        return recognizer


@asynccontextmanager
async def serving(model: Path) -> AsyncGenerator[Server]:
    vosk.SetLogLevel(-1)
    server = Server(vosk.Model(model_path=str(model)))
    app = web.Application()
    app.router.add_get("/", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        yield server
    finally:
        await runner.cleanup()
