"""The tools on stdin and stdout, by the reference SDK of the Model Context Protocol."""

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from types import FrameType
from typing import Any, Final

import anyio
import anyio.to_thread
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from beepy.errors import BeepyError
from beepy.mcp.schemas import INSTRUCTIONS
from beepy.mcp.tools import Tools
from beepy.text import brief, safe

_MAX_LOGGED: Final = 500  # characters of a call's arguments, and of its error
_AT_ONCE: Final = 4  # calls


def serve(tools: Tools, version: str, log: Callable[[str], None]) -> None:
    """Serve tools until stdin ends; a signal ends the process, once everything is detached.

    ``log`` gets a line for each call.
    """

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        tools.close()
        os._exit(0)  # a thread reads stdin, which may never end

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    sdk_logger = logging.getLogger("mcp")  # it would write texts of the client as they are
    sdk_logger.addHandler(logging.NullHandler())
    sdk_logger.propagate = False
    try:
        anyio.run(_serve, _server(tools, version, log))
    finally:
        tools.close()


async def _serve(server: Server[Any]) -> None:
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


def _server(tools: Tools, version: str, log: Callable[[str], None]) -> Server[Any]:
    limiter = anyio.CapacityLimiter(_AT_ONCE)
    numbers = count(1)
    hints = types.ToolAnnotations(read_only_hint=not tools.may_change, open_world_hint=False)
    listed = [
        types.Tool(
            name=tool.name,
            description=tool.description,
            input_schema=tool.arguments,
            annotations=hints,
        )
        for tool in tools.descriptions
    ]

    async def list_tools(
        _context: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=listed)

    async def call_tool(
        _context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = params.arguments or {}
        number = next(numbers)
        started = time.monotonic()
        call = partial(_called, tools, number, params.name, arguments)
        try:
            text, outcome = await anyio.to_thread.run_sync(
                call, limiter=limiter, abandon_on_cancel=True
            )
        except anyio.get_cancelled_exc_class():
            tools.stop(number)
            log(_line(number, params.name, arguments, "canceled", started))
            raise
        log(_line(number, params.name, arguments, outcome or f"{len(text)} bytes", started))
        content = types.TextContent(type="text", text=text)
        return types.CallToolResult(content=[content], is_error=bool(outcome))

    return Server(
        "beepy",
        version=version,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _called(tools: Tools, number: int, name: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """Return a tool's result, or its error, and the error for the log, "" for none."""
    try:
        return tools.call(name, arguments, number), ""
    except BeepyError as error:
        notes = [f"note: {note}" for note in getattr(error, "__notes__", ())]
        return "\n".join([str(error), *notes]), str(error)
    except Exception as error:  # noqa: BLE001 - the server lives on; the log names it
        return "internal error", f"internal error: {type(error).__name__}: {error}"


def _line(
    number: int, name: str, arguments: Mapping[str, Any], outcome: str, started: float
) -> str:
    """Return the line of the log for a call, whose texts are the client's."""
    shown = brief(safe(json.dumps(arguments)), _MAX_LOGGED)
    seconds = time.monotonic() - started
    outcome = brief(safe(outcome), _MAX_LOGGED)
    return f"call {number}: {safe(name[:64])} {shown}: {outcome}, {seconds:.1f} s"
