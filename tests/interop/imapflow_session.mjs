// One ImapFlow client, driven line by line: {"call": METHOD, "arguments": [...]} in, {"result": ...}, {"error": ...}
// or {"event": NAME, "told": ...} out.  Octets travel as {"octets": BASE64}, large numbers as {"number": DIGITS}.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const { ImapFlow } = createRequire(process.argv[2] + "/")("imapflow");
const client = new ImapFlow({ logger: false, disableAutoIdle: true, ...JSON.parse(process.argv[3]) });

function plain(key, value) {
    const raw = this[key];
    if (Buffer.isBuffer(raw)) return { octets: raw.toString("base64") };
    if (typeof value === "bigint") return { number: value.toString() };
    if (value instanceof Set) return [...value];
    if (value instanceof Map) return Object.fromEntries(value);
    return value;
}

function lively(key, value) {
    if (value && value.octets !== undefined) return Buffer.from(value.octets, "base64");
    if (value && value.number !== undefined) return BigInt(value.number);
    return value;
}

function say(answer) {
    process.stdout.write(JSON.stringify(answer, plain) + "\n");
}

async function content(download) {
    const pieces = [];
    for await (const piece of download.content) pieces.push(piece);
    return { meta: download.meta, content: Buffer.concat(pieces) };
}

async function call(line) {
    const wish = JSON.parse(line, lively);
    if (wish.call === "property") return client[wish.arguments[0]];
    const result = await client[wish.call](...wish.arguments);
    return wish.call === "download" ? content(result) : result;
}

for (const name of ["exists", "expunge", "flags"]) client.on(name, (told) => say({ event: name, told }));
client.on("error", (error) => say({ event: "error", told: error.message }));

for await (const line of createInterface({ input: process.stdin })) {
    if (JSON.parse(line).call === "idle") {
        client.idle(); // goes on until the next command
        say({ result: null });
        continue;
    }
    try {
        say({ result: (await call(line)) ?? null });
    } catch (error) {
        say({ error: error.message, code: error.serverResponseCode ?? null, text: error.responseText ?? null });
    }
}
process.exit(0);
