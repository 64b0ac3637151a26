"""What every transport does: a subclass gives the fixtures `transport` and `directory` (a place on the host), and pytest runs all of it.

Must not: look inside a transport.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path, PurePosixPath

import pytest

from mooring.drivers.transport.contract import Transport
from mooring.errors import InvalidInput, NotFound, OutcomeUnknown, Unavailable

ODD = (
    "",
    " ",
    "a b",
    "'",
    '"',
    "$(touch /tmp/x)",
    "`id`",
    ";",
    "&&",
    "|",
    "*",
    "~",
    "\\",
    "\n",
    "-n",
    "--",
    "ü",
    "é",
    "\t",
    "${HOME}",
    "!",
    "#",
    "%s",
)

SHOUT = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + "~")
listener.listen()
os.rename(sys.argv[1] + "~", sys.argv[1])
connection = listener.accept()[0]
connection.sendall(connection.makefile("rb").readline().upper())
"""


class TransportContract:
    async def test_arguments_arrive_byte_for_byte(self, transport: Transport) -> None:
        done = await transport.run(["printf", "%s\\0", *ODD])
        assert (done.code, done.out.decode().split("\0")[:-1]) == (0, list(ODD))

    async def test_an_exit_code_and_both_outputs_are_given(self, transport: Transport) -> None:
        done = await transport.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
        assert (done.code, done.out, done.err) == (7, b"out\n", b"err\n")

    async def test_an_end_by_a_signal_is_told_as_a_shell_would(self, transport: Transport) -> None:
        assert (await transport.run(["sh", "-c", "kill -KILL $$"])).code == 137

    async def test_a_program_gets_its_input_and_may_leave_it(self, transport: Transport) -> None:
        content = bytes(range(256)) * 4000
        assert (await transport.run(["cat"], stdin=content)).out == content
        assert (await transport.run(["true"], stdin=content)).code == 0

    async def test_a_program_that_is_not_there_did_certainly_not_run(self, transport: Transport) -> None:
        with pytest.raises(Unavailable, match="no program 'no-such-program-here'"):
            await transport.run(["no-such-program-here"])

    async def test_a_nul_in_an_argument_is_refused(self, transport: Transport) -> None:
        with pytest.raises(InvalidInput, match="holds a NUL"):
            await transport.run(["echo", "a\0b"])
        with pytest.raises(InvalidInput, match="no program"):
            await transport.run([])

    async def test_what_takes_too_long_is_unknown(self, transport: Transport) -> None:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="did not end within"):
            await transport.run(["sleep", "60"], within=0.5)
        assert time.monotonic() - began < 30
        assert (await transport.run(["echo", "again"])).out == b"again\n"

    async def test_a_flood_is_cut_off(self, transport: Transport) -> None:
        with pytest.raises(OutcomeUnknown, match="more than 1,000 bytes"):
            await transport.run(["sh", "-c", "while :; do echo flood; done"], most=1000)

    async def test_many_run_at_once(self, transport: Transport) -> None:
        done = await asyncio.gather(*(transport.run(["sh", "-c", "sleep 0.2; echo $0", str(number)]) for number in range(20)))
        assert [int(each.out) for each in done] == list(range(20))

    async def test_a_file_is_written_whole_with_its_mode_and_read_back(self, transport: Transport, directory: PurePosixPath) -> None:
        path, content = directory / "a file with 'quotes'", bytes(range(256)) * 1000
        await transport.write(path, content)
        assert await transport.read(path) == content
        await transport.write(path, b"shorter", mode=0o640)
        assert await transport.read(path) == b"shorter"
        modes = (await transport.run(["stat", "-c", "%a", str(path)])).out
        assert modes == b"640\n"
        assert (await transport.run(["ls", "-A", str(directory)])).out.count(b"\n") == 1, "nothing is left beside it"

    async def test_a_file_that_cannot_be_written_changes_nothing(self, transport: Transport, directory: PurePosixPath) -> None:
        with pytest.raises(Unavailable, match="cannot be written"):
            await transport.write(directory / "absent" / "file", b"content")
        with pytest.raises(NotFound, match="there is no file"):
            await transport.read(directory / "absent" / "file")

    async def test_a_file_larger_than_wanted_is_refused(self, transport: Transport, directory: PurePosixPath) -> None:
        await transport.write(directory / "large", b"x" * 2000)
        with pytest.raises(Unavailable, match="larger than 1,000 bytes"):
            await transport.read(directory / "large", most=1000)

    async def test_a_program_is_spoken_with_while_it_runs(self, transport: Transport) -> None:
        async with transport.attached(["sh", "-c", 'while read -r line; do echo "$0 $line"; done; echo end', "a 'b'"]) as channel:
            for word in (b"one", b"two"):
                await channel.write(word + b"\n")
                assert await channel.read() == b"a 'b' " + word + b"\n"

    async def test_much_goes_both_ways_through_an_attached_program(self, transport: Transport) -> None:
        content = bytes(range(256)) * 20_000
        async with transport.attached(["cat"]) as channel:
            writing = asyncio.create_task(channel.write(content))
            found = b""
            while len(found) < len(content):
                found += await channel.read()
            await writing
        assert found == content

    async def test_an_attached_program_learns_by_its_input_that_nobody_listens_any_more(
        self, transport: Transport, directory: PurePosixPath
    ) -> None:
        place = directory / "ended"
        async with transport.attached(["sh", "-c", 'echo begun; cat; echo "a last word"; echo yes > "$0"', str(place)]) as channel:
            assert await channel.read() == b"begun\n"
        assert await transport.read(place) == b"yes\n"

    async def test_an_attached_program_that_ends_has_said_its_last(self, transport: Transport) -> None:
        async with transport.attached(["echo", "hello"]) as channel:
            assert [await channel.read(), await channel.read()] == [b"hello\n", b""]
            await channel.write(b"too late")

    async def test_whoever_reads_late_finds_its_end_too(self, transport: Transport) -> None:
        async with transport.attached(["echo", "hello"]) as channel:
            assert await channel.read() == b"hello\n"
            await asyncio.sleep(0.3)  # its end arrives meanwhile, unasked
            assert [await channel.read(), await channel.read()] == [b"", b""]

    async def test_a_socket_of_the_host_is_reached(self, transport: Transport, directory: PurePosixPath) -> None:
        shouting = asyncio.create_task(transport.run(["python3", "-c", SHOUT, str(directory / "socket")]))
        while (await transport.run(["test", "-S", str(directory / "socket")])).code:
            assert not shouting.done(), shouting.result()
        async with transport.forwarded(directory / "socket") as here:
            reader, writer = await asyncio.open_unix_connection(str(here))
            writer.write(b"hello\n")
            assert await reader.read() == b"HELLO\n"
            writer.close()
        assert (await shouting).code == 0
        if here != Path(directory / "socket"):
            assert not here.exists()
