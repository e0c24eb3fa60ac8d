"""`az login --identity` and a token, as a line of JSON (see ../README.md). The first argument is the program."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time


def parse(words):
    parser = argparse.ArgumentParser(allow_abbrev=False)
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument("--client-id")
    identity.add_argument("--object-id")
    identity.add_argument("--resource-id")
    parser.add_argument("--scope", default="https://management.azure.com/.default")
    parser.add_argument("--deadline", type=float, default=120)
    return parser.parse_args(words)


class Az:
    def __init__(self, program, folder, end):
        self.program, self.end = program, end
        self.environment = os.environ | {"AZURE_CONFIG_DIR": folder, "AZURE_CORE_COLLECT_TELEMETRY": "no"}

    def __call__(self, *words):
        left = self.end - time.monotonic()
        done = subprocess.run([self.program, *words, "--output", "json", "--only-show-errors"], env=self.environment,
                              capture_output=True, text=True, timeout=max(left, 0.1))
        if done.returncode:
            raise RuntimeError(f"az {words[0]} {words[1]}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def token(az, arguments):
    """The cloud is the one of the variables: its login host and its resource manager."""
    login, manager = os.environ["PODGATE_TEST_LOGIN"], os.environ["PODGATE_TEST_RESOURCE_MANAGER"]
    az("cloud", "register", "--name", "sim", "--skip-endpoint-discovery", "--endpoint-active-directory", login, "--endpoint-resource-manager", manager,
       "--endpoint-active-directory-resource-id", "https://management.azure.com/")
    az("cloud", "set", "--name", "sim")
    chosen = [("--client-id", arguments.client_id), ("--object-id", arguments.object_id),
              ("--resource-id", arguments.resource_id)]
    words = [word for pair in chosen if pair[1] for word in pair]
    az("login", "--identity", "--allow-no-subscriptions", *words)
    return az("account", "get-access-token", "--scope", arguments.scope)["accessToken"]


def outcome(arguments):
    with tempfile.TemporaryDirectory() as folder:
        try:
            az = Az(sys.argv[1], folder, time.monotonic() + arguments.deadline)
            return {"ok": True, "token": token(az, arguments)}
        except subprocess.TimeoutExpired:
            return {"ok": False, "error_class": "DeadlineExceeded", "message": f"no outcome after {arguments.deadline:g} s"}
        except (RuntimeError, KeyError) as error:
            return {"ok": False, "error_class": type(error).__name__, "message": str(error)}


def main():
    start = time.monotonic()
    told = outcome(parse(sys.argv[2:]))
    print(json.dumps(told | {"elapsed_ms": round((time.monotonic() - start) * 1000)}), flush=True)
    sys.exit(0 if told["ok"] else 1)


main()
