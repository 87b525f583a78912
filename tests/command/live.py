"""A platform for tests: `micropay up` on free ports with a data directory of its own, and HTTP to it.

$MICROPAY is the command.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

MICROPAY = os.environ["MICROPAY"]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Platform:
    """Up once made; `with` ends it. What it logs is in `log`."""

    def __init__(self, data, *arguments, port_base=0):
        self.data = data
        self.process = subprocess.Popen(
            [MICROPAY, "up", "--data", str(data), "--port-base", str(port_base), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.urls, self.key, self.log, self.said = {}, None, [], []
        threading.Thread(target=self._keep_log, daemon=True).start()
        for line in self.process.stdout:
            self.said.append(line)
            if found := re.match(r"(\S+) +(http://\S+) +ready", line):
                self.urls[found[1]] = found[2]
            if found := re.search(r"MICROPAY_KEY=(\S+)", line):
                self.key = found[1]
            if line.startswith("ready in"):
                break
        else:
            self.process.wait()
            raise AssertionError("micropay up ended: " + "".join(self.said + self.log))

    def _keep_log(self):
        for line in self.process.stderr:
            self.log.append(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it as Ctrl-C does; returns the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        self.process.stdout.close()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def environment(self):
        """What the verbs of the command need to find it."""
        return {"MICROPAY_DATA": str(self.data)}

    def call(self, service, method, path, body=None, key=None, headers=None, api_key=None):
        request = urllib.request.Request(self.urls[service] + path, method=method)
        request.add_header("Authorization", f"Bearer {api_key or self.key}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if key is not None:
            request.add_header("Idempotency-Key", key)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, data, timeout=60) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as reply:
            return Answer(reply.code, reply.headers, reply.read())

    def get(self, service, path, **more):
        return self.call(service, "GET", path, **more)

    def post(self, service, path, body, key, **more):
        return self.call(service, "POST", path, body, key, **more)


def until(condition, seconds=30):
    """Waits for a condition; returns what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("waited in vain")
