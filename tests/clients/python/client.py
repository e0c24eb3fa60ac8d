"""Asks azure-identity for one token and prints the outcome as a line of JSON (see ../README.md)."""

import argparse
import base64
import json
import os
import signal
import sys
import time

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(64, f"{self.prog}: {message}\n")


def parse():
    parser = Arguments(allow_abbrev=False)
    parser.add_argument("--credential", choices=["managed-identity", "default"], default="managed-identity")
    identity = parser.add_mutually_exclusive_group()
    identity.add_argument("--client-id")
    identity.add_argument("--object-id")
    identity.add_argument("--resource-id")
    parser.add_argument("--scope", default="https://management.azure.com/.default")
    parser.add_argument("--deadline", type=float, default=120)
    arguments = parser.parse_args()
    if arguments.credential == "default" and arguments.object_id:
        parser.error("DefaultAzureCredential takes no object id")
    return arguments


def credential(arguments):
    if arguments.credential == "default":
        options = {
            "managed_identity_client_id": arguments.client_id,
            "identity_config": arguments.resource_id and {"resource_id": arguments.resource_id},
        }
        return DefaultAzureCredential(**{name: value for name, value in options.items() if value})
    if arguments.client_id:
        return ManagedIdentityCredential(client_id=arguments.client_id)
    chosen = {"object_id": arguments.object_id, "resource_id": arguments.resource_id}
    return ManagedIdentityCredential(identity_config={name: value for name, value in chosen.items() if value})


def claims(token):
    try:
        payload = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return None


def status(error):
    """The SDK wraps errors in errors: the first in the chain that carries an HTTP answer has it."""
    while error is not None:
        if isinstance(error, HttpResponseError) and error.status_code:
            return error.status_code
        error = error.__cause__ or error.__context__
    return None


def refused(error):
    return {"ok": False, "error_class": type(error).__name__, "message": str(error), "status": status(error)}


def outcome(arguments):
    try:
        token = credential(arguments).get_token(arguments.scope)
    except Exception as error:
        return refused(error)
    return {"ok": True, "token": token.token, "expires_on": token.expires_on, "claims": claims(token.token)}


def report(outcome, start):
    told = {name: value for name, value in outcome.items() if value is not None}
    print(json.dumps(told | {"elapsed_ms": round((time.monotonic() - start) * 1000)}), flush=True)
    # Not sys.exit: the SDK would see the exception and might wait for what it is doing.
    os._exit(0 if outcome["ok"] else 1)


def main():
    arguments = parse()
    start = time.monotonic()
    late = {"ok": False, "error_class": "DeadlineExceeded", "message": f"no outcome after {arguments.deadline:g} s"}
    signal.signal(signal.SIGALRM, lambda *_: report(late, start))
    signal.setitimer(signal.ITIMER_REAL, arguments.deadline)
    report(outcome(arguments), start)


main()
