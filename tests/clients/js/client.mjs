// Asks @azure/identity for one token and prints the outcome as a line of JSON (see ../README.md).

import { parseArgs } from "node:util";
import { DefaultAzureCredential, ManagedIdentityCredential } from "@azure/identity";

const OPTIONS = {
  credential: { type: "string", default: "managed-identity" },
  "client-id": { type: "string" },
  "object-id": { type: "string" },
  "resource-id": { type: "string" },
  scope: { type: "string", default: "https://management.azure.com/.default" },
  deadline: { type: "string", default: "120" },
};

function parse() {
  try {
    const { values } = parseArgs({ options: OPTIONS });
    check(values);
    return values;
  } catch (error) {
    console.error(`client: ${error.message}`);
    process.exit(64);
  }
}

function check(values) {
  const identities = ["client-id", "object-id", "resource-id"].filter((name) => values[name]);
  if (identities.length > 1) throw new Error(`--${identities.join(" and --")} exclude one another`);
  if (!["managed-identity", "default"].includes(values.credential)) {
    throw new Error("--credential is managed-identity or default");
  }
  if (values.credential === "default" && values["object-id"]) {
    throw new Error("DefaultAzureCredential takes no object id");
  }
  if (!(Number(values.deadline) > 0)) throw new Error("--deadline is a number of seconds");
}

function credential(values) {
  if (values.credential === "default") {
    return new DefaultAzureCredential({
      managedIdentityClientId: values["client-id"],
      managedIdentityResourceId: values["resource-id"],
    });
  }
  if (values["client-id"]) return new ManagedIdentityCredential({ clientId: values["client-id"] });
  if (values["object-id"]) return new ManagedIdentityCredential({ objectId: values["object-id"] });
  if (values["resource-id"]) return new ManagedIdentityCredential({ resourceId: values["resource-id"] });
  return new ManagedIdentityCredential();
}

function claims(token) {
  try {
    return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  } catch {
    return undefined;
  }
}

// The SDK wraps errors in errors: the first in the chain that carries an HTTP status has it.
function status(error) {
  for (let inner = error; inner; inner = inner.cause ?? inner.errors?.at(-1)) {
    const found = inner.statusCode ?? inner.status;
    if (Number.isInteger(found)) return found;
  }
  return undefined;
}

async function outcome(values) {
  try {
    const { token, expiresOnTimestamp } = await credential(values).getToken(values.scope);
    return { ok: true, token, expires_on: Math.floor(expiresOnTimestamp / 1000), claims: claims(token) };
  } catch (error) {
    return { ok: false, error_class: error.name, message: error.message, status: status(error) };
  }
}

function report(outcome, start) {
  const elapsed_ms = Math.round(performance.now() - start);
  // Leaving from the callback: an exit right after the write could lose it in a pipe.
  process.stdout.write(`${JSON.stringify({ ...outcome, elapsed_ms })}\n`, () => process.exit(outcome.ok ? 0 : 1));
}

const values = parse();
const start = performance.now();
const late = { ok: false, error_class: "DeadlineExceeded", message: `no outcome after ${values.deadline} s` };
setTimeout(() => report(late, start), Number(values.deadline) * 1000);
report(await outcome(values), start);
