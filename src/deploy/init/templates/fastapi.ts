/** `shimmy init --template fastapi`: the same small chat application in Python. Shimmy itself needs none. */
import type { TemplateOptions } from "../options.ts";
import type { Template } from "../template.ts";
import { applicationPort, applicationReadme, askedModel } from "./application.ts";
import { chatPage } from "./chat-page.ts";

export const fastapi: Template = {
  name: "fastapi",
  summary: "a chat application with FastAPI, streamed to the browser",
  files: (options) => [
    { path: "requirements.txt", text: "fastapi>=0.115,<1\nopenai>=1.60,<3\nuvicorn>=0.30,<1\n" },
    { path: "main.py", text: main(options) },
    { path: "public/index.html", text: chatPage(options.name) },
    {
      path: "README-fastapi.md",
      text: applicationReadme(
        options,
        "FastAPI",
        "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt",
        ".venv/bin/python main.py",
      ),
    },
  ],
};

function main(options: TemplateOptions): string {
  return `"""A chat that asks Shimmy with OpenAI's own client. The key stays on this side; the browser never sees it."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

import openai
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, Field

log = logging.getLogger("uvicorn.error")
client = openai.AsyncOpenAI(
    base_url=os.environ.get("SHIMMY_URL", "http://127.0.0.1:${options.port}/v1"),
    api_key=os.environ.get("SHIMMY_API_KEY", "none"),
)
MODEL = os.environ.get("SHIMMY_MODEL", "${askedModel(options)}")
app = FastAPI()


class Message(BaseModel):
    """What the browser may send: turns of a conversation, nothing else of the API."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=256 * 1024)]


class Conversation(BaseModel):
    messages: Annotated[list[Message], Field(min_length=1)]


@app.exception_handler(RequestValidationError)
async def refused(_request: object, _error: RequestValidationError) -> JSONResponse:
    return JSONResponse({"error": "messages must be turns of user and assistant"}, 400)


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/api/chat")
async def chat(conversation: Conversation, request: Request) -> Response:
    messages = [message.model_dump() for message in conversation.messages]
    beginning = asyncio.create_task(begin(messages))
    try:
        # Until an answer begins nothing else tells that the browser has gone.
        while not (await asyncio.wait({beginning}, timeout=0.25))[0]:
            if await request.is_disconnected():
                return Response(status_code=499)
        first, pieces = await beginning
    except openai.APIError as error:
        return failure(error)
    finally:
        beginning.cancel()
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return StreamingResponse(chain(first, pieces), media_type="text/plain; charset=utf-8", headers=headers)


async def begin(messages: list[dict[str, str]]) -> tuple[str, AsyncIterator[str]]:
    """The first piece is waited for, so that a failure before it has its own status."""
    pieces = answer(await client.chat.completions.create(model=MODEL, messages=messages, stream=True))
    return await anext(pieces, ""), pieces


async def answer(stream: openai.AsyncStream) -> AsyncIterator[str]:
    # A browser that goes away cancels this; closing the stream ends the work in the engine too.
    async with stream:
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content


async def chain(first: str, pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for piece in pieces:
        yield piece


def failure(error: openai.APIError) -> JSONResponse:
    """What is wrong with the request is told, what is wrong inside is not."""
    log.error("shimmy: %s", error)
    status = getattr(error, "status_code", None)
    if status == 429:
        return JSONResponse({"error": "Busy, try again in a moment"}, 429)
    if status is not None and 400 <= status < 500 and status not in (401, 403):
        return JSONResponse({"error": error.message}, 400)
    return JSONResponse({"error": "The model cannot be reached"}, 502)


app.mount("/", StaticFiles(directory=Path(__file__).parent / "public", html=True))

if __name__ == "__main__":
    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "${applicationPort(options)}")))
`;
}
