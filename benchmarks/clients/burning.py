"""Asks for one path on four connections, one request after the other, until its standard input ends: burning.py port path.

Prints a line when every connection has had an answer, and at the end how many answers there were a second.
"""

import http.client
import json
import sys
import threading
import time

CONNECTIONS = 4


class Burning:
    def __init__(self, port: int, path: str) -> None:
        self.port = port
        self.path = path
        self.answers = 0
        self.wrong: list[str] = []
        self.stopping = threading.Event()
        self.lock = threading.Lock()

    def ask(self, connection: http.client.HTTPConnection) -> None:
        connection.request("GET", self.path)
        response = connection.getresponse()
        body = response.read()
        with self.lock:
            self.answers += 1
            if response.status != 200 or not body.isdigit():
                self.wrong.append(f"{response.status} {body[:60]!r}")

    def keep_asking(self, connection: http.client.HTTPConnection) -> None:
        try:
            while not self.stopping.is_set() and not self.wrong:
                self.ask(connection)
        except (OSError, http.client.HTTPException) as error:
            self.wrong.append(repr(error))

    def run(self) -> float:
        """Answers a second."""
        connections = [http.client.HTTPConnection("127.0.0.1", self.port, timeout=30) for _ in range(CONNECTIONS)]
        for connection in connections:
            self.ask(connection)
        print("burning", flush=True)
        threads = [threading.Thread(target=self.keep_asking, args=(connection,)) for connection in connections]
        before, began = self.answers, time.perf_counter()
        for thread in threads:
            thread.start()
        sys.stdin.read()
        per_second = (self.answers - before) / (time.perf_counter() - began)
        self.stopping.set()
        for thread in threads:
            thread.join()
        return per_second


burning = Burning(int(sys.argv[1]), sys.argv[2])
rate = burning.run()
if burning.wrong:
    sys.exit("\n".join(burning.wrong))
print(json.dumps({"per_second": round(rate, 1)}))
