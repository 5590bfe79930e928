/** What HTTP/2 fields become in HTTP/1.1: one request that a strict and a lenient server read alike, or none at all. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { wireEngine } from "../../../../src/engine/wire/bun.ts";
import { frameFlag, frameType } from "../../../../src/engine/wire/http2/protocol.ts";
import { type EngineFixture, startEngine } from "../../../support/engine-fixture.ts";
import {
  dataFrame,
  encodeFields,
  headersFrame,
  Http2Client,
  type Http2Fields,
  http2Frame,
} from "../../../support/http2-client.ts";
import {
  lenientRequests,
  type RawOrigin,
  type RawRequest,
  startRawOrigin,
  strictRequests,
} from "./raw-origin.ts";

/** A request on a stream: its fields, pieces of its body, and its trailers. */
interface Sent {
  readonly fields: Http2Fields;
  readonly data?: readonly string[];
  readonly trailers?: Http2Fields;
}

/** The start line that arrives, with a part of the head or the whole body; a status that is answered instead; or a reset. */
type Outcome = Arrived | number | "reset";

interface Arrived {
  readonly start: string;
  readonly has?: string;
  readonly body?: string;
  /** What follows the whole request may end the stream before its response. */
  readonly mayReset?: boolean;
}

type Row = readonly [name: string, sent: Sent, outcome: Outcome];

const method = (value: string): Http2Fields[number] => [":method", value];
const path = (value: string): Http2Fields[number] => [":path", value];
const authority = (value: string): Http2Fields[number] => [":authority", value];
const scheme: Http2Fields[number] = [":scheme", "http"];
const shop = authority("shop.example");

const get = (...more: Http2Fields): Sent => ({ fields: [method("GET"), scheme, shop, path("/"), ...more] });
const post = (more: Http2Fields, data: readonly string[], trailers?: Http2Fields): Sent => ({
  fields: [method("POST"), scheme, shop, path("/"), ...more],
  data,
  ...(trailers && { trailers }),
});
const to = (target: string, verb = "GET"): Sent => ({ fields: [method(verb), scheme, shop, path(target)] });
const at = (name: string): Sent => ({ fields: [method("GET"), scheme, authority(name), path("/")] });

const root = { start: "GET / HTTP/1.1" };
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: evil.example\r\n\r\n";

const pseudoFields: readonly Row[] = [
  ["all of them", get(), { ...root, has: "host: shop.example" }],
  ["in another order", { fields: [path("/"), shop, scheme, method("GET")] }, root],
  ["without :method", { fields: [scheme, shop, path("/")] }, "reset"],
  ["without :path", { fields: [method("GET"), scheme, shop] }, "reset"],
  ["without :scheme", { fields: [method("GET"), shop, path("/")] }, "reset"],
  ["without :authority and Host", { fields: [method("GET"), scheme, path("/")] }, 400],
  ["with Host for :authority", { fields: [method("GET"), scheme, path("/"), ["host", "a.example"]] }, { ...root, has: "host: a.example" }],
  ["with the same Host", get(["host", "SHOP.example"]), { ...root, has: "host: shop.example" }],
  ["with another Host", get(["host", "evil.example"]), "reset"],
  ["with two Hosts", { fields: [method("GET"), scheme, path("/"), ["host", "a"], ["host", "a"]] }, 400],
  ...[":method", ":path", ":scheme", ":authority"].map(
    (name): Row => [
      `with ${name} twice`,
      { fields: [method("GET"), scheme, shop, path("/"), [name, name === ":path" ? "/" : "GET"]] },
      "reset",
    ],
  ),
  ["behind a field", { fields: [method("GET"), scheme, shop, ["x-a", "1"], path("/")] }, "reset"],
  ["that are unknown", get([":unknown", "1"]), "reset"],
  ["of a response", get([":status", "200"]), "reset"],
  ["with an empty name", get([":", "1"]), "reset"],
  ["with an upper-case name", { fields: [[":Method", "GET"], scheme, shop, path("/")] }, "reset"],
  ["with an empty :scheme", { fields: [method("GET"), [":scheme", ""], shop, path("/")] }, "reset"],
  ["with a :scheme that is none", { fields: [method("GET"), [":scheme", "http://evil/?"], shop, path("/")] }, "reset"],
  ["with any :scheme", { fields: [method("GET"), [":scheme", "https"], shop, path("/")] }, { ...root, has: "X-Forwarded-Proto: http" }],
  [":protocol without CONNECT", get([":protocol", "websocket"]), "reset"],
]; // prettier-ignore

const targets: readonly Row[] = [
  ["/a%2F..?b=c&d", to("/a%2F..?b=c&d"), { start: "GET /a%2F..?b=c&d HTTP/1.1" }],
  ["//evil.example/", to("//evil.example/"), { start: "GET //evil.example/ HTTP/1.1" }],
  ["/é in UTF-8", to("/\xc3\xa9"), { start: "GET /\xc3\xa9 HTTP/1.1" }],
  ["* of OPTIONS", to("*", "OPTIONS"), { start: "OPTIONS * HTTP/1.1" }],
  ["* of GET", to("*"), 400],
  ["** of OPTIONS", to("**", "OPTIONS"), "reset"],
  ...[
    "", "a", "http://evil.example/", "?a", "/a b", "/a\tb", "/a\r\nx: y", "/a\nb", "/a\rb", "/a\0", "/a#b", "/\x7f",
    " /", "/ ", "/ HTTP/1.1\r\nx: ",
  ].map((target): Row => [JSON.stringify(target), to(target), "reset"]),
]; // prettier-ignore

const authorities: readonly Row[] = [
  ["shop.example:8080", at("shop.example:8080"), { ...root, has: "host: shop.example:8080" }],
  ["[::1]:80", at("[::1]:80"), { ...root, has: "host: [::1]:80" }],
  ...["user@shop.example", "user:pass@shop.example", "a,b", "a/b", "a?b", "a:b", "a:1:2", "[::1", "a\\b", "a:99999x"].map(
    (name): Row => [name, at(name), 400],
  ),
  ...["", "a b", "a\r\nx: y", "a\0", "a\t", "a\n", "a#b"].map((name): Row => [JSON.stringify(name), at(name), "reset"]),
]; // prettier-ignore

const methods: readonly Row[] = [
  ["PURGE", to("/", "PURGE"), { start: "PURGE / HTTP/1.1" }],
  ["get", to("/", "get"), 400],
  ["PRI", to("/", "PRI"), { start: "PRI / HTTP/1.1" }],
  ...["", "G T", "GET ", "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET", "GET\r\n", "GET\0", "GET\t", "G:T", "G\xe9T"].map(
    (verb): Row => [JSON.stringify(verb), to("/", verb), "reset"],
  ),
]; // prettier-ignore

const fields: readonly Row[] = [
  ["of every token character", get(["!#$%&'*+-.^_`|~09az", "1"]), { ...root, has: "!#$%&'*+-.^_`|~09az: 1" }],
  ["with an empty value", get(["x-empty", ""]), { ...root, has: "x-empty: " }],
  ["with tabs and bytes above 127 inside the value", get(["x-a", "a\tb\xff"]), { ...root, has: "x-a: a\tb\xff" }],
  ...["X-Upper", "x y", "x:", "x:y", "x\r\ny", "x\n", "x\r", "x\0", "x\t", "", " x", "x(", "x\xe9", "x/"].map(
    (name): Row => [`named ${JSON.stringify(name)}`, get([name, "1"]), "reset"],
  ),
  ...["a\r\nx: y", "a\nb", "a\rb", "a\0b", " a", "a ", "\ta", "a\t", "\x7f", "\x01", `a\r\n\r\n${smuggled}`, "\n", "\0"].map(
    (value): Row => [`with the value ${JSON.stringify(value)}`, get(["x-a", value]), "reset"],
  ),
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"].map(
    (name): Row => [`of the connection: ${name}`, get([name, name === "transfer-encoding" ? "chunked" : "x"]), "reset"],
  ),
  ["Connection that names another", get(["connection", "x-a"], ["x-a", "1"]), "reset"],
  ["TE: trailers", get(["te", "trailers"]), root],
  ["TE: gzip", get(["te", "gzip"]), "reset"],
  ["TE: trailers, gzip", get(["te", "trailers, gzip"]), "reset"],
  ["two crumbs of a cookie", get(["cookie", "a=1"], ["x-a", "1"], ["cookie", "b=2"]), { ...root, has: "cookie: a=1; b=2" }],
  ["a hundred crumbs", get(...Array.from({ length: 100 }, () => ["cookie", "a=1"] as const)), { ...root, has: `cookie: ${Array.from({ length: 100 }, () => "a=1").join("; ")}` }],
  ["a crumb with a line feed", get(["cookie", "a=1"], ["cookie", "b\nc"]), "reset"],
  ["Forwarded fields, which are replaced", get(["x-forwarded-for", "6.6.6.6"], ["x-forwarded-proto", "https"]), { ...root, has: "X-Forwarded-For: 127.0.0.1" }],
]; // prettier-ignore

const length = (value: string): Http2Fields[number] => ["content-length", value];
const posted = (body: string, has?: string): Arrived => ({
  start: "POST / HTTP/1.1",
  body,
  ...(has !== undefined && { has }),
});

const bodies: readonly Row[] = [
  ["without a length", post([], ["ab", "c"]), posted("abc", "transfer-encoding: chunked")],
  ["that looks like chunks and a request", post([], [`0\r\n\r\n${smuggled}`]), posted(`0\r\n\r\n${smuggled}`)],
  ["of a length that looks like a request", post([length(String(smuggled.length))], [smuggled]), posted(smuggled)],
  ["in pieces of one byte", post([length("5")], [..."abcde"]), posted("abcde", "content-length: 5")],
  ["with empty frames", post([length("3")], ["", "abc", ""]), posted("abc")],
  ["of no bytes with a length of 0", post([length("0")], [""]), posted("")],
  ["with the length twice", post([length("3"), length("3")], ["abc"]), posted("abc", "content-length: 3")],
  ["with leading zeros in the length", post([length("003")], ["abc"]), posted("abc", "content-length: 3")],
  ["of a GET", { fields: get().fields, data: ["abc"] }, { ...root, body: "abc" }],
  ["that is shorter than its length", post([length("5")], ["abcd"]), "reset"],
  ["that is empty and has a length", post([length("5")], [""]), "reset"],
  ["that is missing and has a length", get(length("5")), "reset"],
  ["that is longer than its length", post([length("5")], ["abcdef"]), "reset"],
  ["that is longer in its second frame", post([length("5")], ["abc", "def"]), "reset"],
  ["of a length of 0 with data, which is dropped", post([length("0")], ["a"]), { ...posted(""), mayReset: true }],
  ["with lengths that differ", post([length("3"), length("4")], ["abc"]), "reset"],
  ...["+3", "-3", "3,3", "3, 3", "0x3", "3 ", " 3", "", "3a", "1e1", "99999999999999999999", "3\r\n", "\xb3"].map(
    (value): Row => [`of the length ${JSON.stringify(value)}`, post([length(value)], ["abc"]), "reset"],
  ),
  ["with a length in another spelling", post([["content_length", "1"]], ["abc"]), posted("abc")],
]; // prettier-ignore

const trailers: readonly Row[] = [
  ["behind a body", post([], ["abc"], [["x-trailer", "1"]]), posted("abc")],
  ["behind a body of known length", post([length("3")], ["abc"], [["x-trailer", "1"]]), posted("abc")],
  ["behind a body that is shorter than its length", post([length("5")], ["abc"], [["x-trailer", "1"]]), "reset"],
  ["with a pseudo-field", post([], ["abc"], [[":path", "/x"]]), "reset"],
  ["in upper case", post([], ["abc"], [["X-Trailer", "1"]]), "reset"],
  ["with a line feed", post([], ["abc"], [["x-trailer", `1\r\n\r\n${smuggled}`]]), "reset"],
  ["that frame", post([], ["abc"], [["transfer-encoding", "chunked"]]), "reset"],
  ["of the connection", post([], ["abc"], [["connection", "close"]]), "reset"],
]; // prettier-ignore

const connects: readonly Row[] = [
  ["of an authority", { fields: [method("CONNECT"), authority("shop.example:443")], data: [smuggled] }, 405],
  ["with :path", { fields: [method("CONNECT"), shop, path("/")] }, "reset"],
  ["with :scheme", { fields: [method("CONNECT"), shop, scheme] }, "reset"],
  ["without :authority", { fields: [method("CONNECT")] }, "reset"],
  ["of an unknown protocol", { fields: [method("CONNECT"), [":protocol", "udp"], scheme, shop, path("/")] }, "reset"],
  ["of a WebSocket with a length", { fields: [method("CONNECT"), [":protocol", "websocket"], scheme, shop, path("/"), length("3")], data: ["abc"] }, "reset"],
  ["of a WebSocket with :protocol twice", { fields: [method("CONNECT"), [":protocol", "websocket"], [":protocol", "websocket"], scheme, shop, path("/")] }, "reset"],
  ["of a WebSocket without :path", { fields: [method("CONNECT"), [":protocol", "websocket"], scheme, shop] }, "reset"],
  ["of a WebSocket to a target that is none", { fields: [method("CONNECT"), [":protocol", "websocket"], scheme, shop, path("evil:80")] }, "reset"],
]; // prettier-ignore

let origin: RawOrigin;
let fixture: EngineFixture;

beforeAll(async () => {
  origin = await startRawOrigin();
  fixture = await startEngine(wireEngine, { ports: [origin.port], listener: { http2: true } });
});

afterAll(async () => {
  fixture.close();
  await origin.close();
  expect(fixture.bugs).toEqual([]);
});

const flagOf = (isLast: boolean) => (isLast ? frameFlag.endStream : 0);

/** The frames of the request, where its first block is cut in two at this offset. */
function framesOf({ fields: list, data, trailers: last }: Sent, id: number, cut: number): Buffer[] {
  const block = encodeFields(list);
  const endFlag = flagOf(!data && !last);
  const head =
    cut <= 0 || cut >= block.length
      ? [headersFrame(id, list, !data && !last)]
      : [
          http2Frame(frameType.headers, endFlag, id, block.subarray(0, cut)),
          http2Frame(frameType.continuation, frameFlag.endHeaders, id, block.subarray(cut)),
        ];
  const body = (data ?? []).map((piece, i) => dataFrame(id, piece, !last && i === (data ?? []).length - 1));
  return [...head, ...body, ...(last ? [headersFrame(id, last, true)] : [])];
}

/** Requests that arrived whole, as both readers see them. */
function arrived(): readonly RawRequest[] {
  const strict = origin.received().flatMap((bytes) => strictRequests(bytes));
  const lenient = origin.received().flatMap((bytes) => lenientRequests(bytes));
  expect(lenient).toEqual([...strict]);
  return strict;
}

function check(client: Http2Client, id: number, outcome: Outcome): void {
  const requests = arrived();
  const stream = client.stream(id);
  if (typeof outcome !== "object") {
    expect(requests).toEqual([]);
    if (outcome === "reset") expect([client.status(id), stream.resetCode]).toEqual([0, 1]);
    else expect(client.status(id)).toBe(outcome);
    return;
  }
  const isReset = outcome.mayReset === true && stream.resetCode === 1;
  if (isReset && requests.length === 0) return;
  if (!isReset) expect(client.status(id)).toBe(200);
  expect(requests).toHaveLength(1);
  expect(requests[0]?.start).toBe(outcome.start);
  if (outcome.has !== undefined) expect(requests[0]?.headers).toContain(outcome.has);
  if (outcome.body !== undefined) expect(requests[0]?.body).toBe(outcome.body);
}

async function withClient(run: (client: Http2Client) => Promise<void>): Promise<void> {
  origin.clear();
  const client = await Http2Client.connect(fixture.port, { neverAcknowledges: true, keepsWindow: true });
  try {
    await run(client);
    expect(client.goAwayCode).toBe(-1);
  } finally {
    client.destroy();
  }
}

async function sendAndCheck(client: Http2Client, id: number, pieces: readonly Buffer[], outcome: Outcome) {
  origin.clear();
  for (const piece of pieces) {
    client.send(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.whole(id);
  check(client, id, outcome);
}

const tables: Readonly<Record<string, readonly Row[]>> = {
  "pseudo-fields": pseudoFields,
  "the target": targets,
  "the authority": authorities,
  "the method": methods,
  fields,
  "a body": bodies,
  trailers,
  CONNECT: connects,
};

describe.each(Object.entries(tables))("%s", (_, rows) => {
  test.each(rows)("%s", (__, sent, outcome) =>
    withClient(async (client) => {
      const whole = framesOf(sent, 1, 0);
      await sendAndCheck(client, 1, [Buffer.concat(whole)], outcome);
      await sendAndCheck(client, 3, framesOf(sent, 3, 0), outcome);
      const bytes = Buffer.concat(framesOf(sent, 5, 0));
      await sendAndCheck(
        client,
        5,
        Array.from(bytes, (byte) => Buffer.from([byte])),
        outcome,
      );
    }),
  );
});

test("cuts of a block at every byte change nothing", () => {
  const rows = [pseudoFields[0], fields[0], fields.at(-2), bodies[0], authorities[2], connects[1]];
  return withClient(async (client) => {
    let id = 1;
    for (const row of rows) {
      if (!row) throw new Error("Cannot test: a row is missing");
      const [, sent, outcome] = row;
      for (let cut = 1; cut < encodeFields(sent.fields).length; cut++, id += 2)
        await sendAndCheck(client, id, framesOf(sent, id, cut), outcome);
    }
  });
}, 60_000);
