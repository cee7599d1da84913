"""Lets a server be far away: ``python -m bench.distance PORT UPSTREAM MILLISECONDS``.

Bytes arrive in both directions half of that time after they were sent, in their order and as fast as they came.
"""

import asyncio
import sys
from contextlib import suppress

CHUNK = 64 * 1024
ON_THEIR_WAY = 1_000
"""Chunks of one direction that are held at most; whoever sends more waits."""


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Pass on what comes, each piece so much later, and then the end."""
    clock = asyncio.get_running_loop().time
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(ON_THEIR_WAY)

    async def take() -> None:
        data = b"-"
        while data:
            data = await reader.read(CHUNK)
            await pieces.put((clock() + delay, data))

    taking = asyncio.create_task(take())
    try:
        while True:
            due, data = await pieces.get()
            await asyncio.sleep(due - clock())
            if not data:
                return
            writer.write(data)
            await writer.drain()
    finally:
        taking.cancel()
        writer.close()


async def serve(port: int, upstream: int, delay: float) -> None:
    """Connect whoever comes with the server at ``upstream``."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", upstream)
        with suppress(OSError):
            await asyncio.gather(carry(reader, there_writer, delay), carry(there_reader, writer, delay))

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) / 2_000))
