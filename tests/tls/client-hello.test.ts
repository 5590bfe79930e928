import { beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";

import { acmeProtocol, readClientHello } from "../../src/tls/client-hello.ts";

/** What a real client sends first. */
async function helloOf(options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length >= 5 && all.length >= 5 + all.readUInt16BE(3)) {
        resolve(all);
        socket.destroy();
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
  client.on("error", () => {});
  const hello = await promise;
  client.destroy();
  server.close();
  return hello;
}

let named: Buffer;
let bare: Buffer;
beforeAll(async () => {
  named = await helloOf({ servername: "shop.test", ALPNProtocols: [acmeProtocol] });
  bare = await helloOf({});
});

/** The same message in records of at most this many bytes. */
function inRecordsOf(size: number, hello: Buffer): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    const header = Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]);
    records.push(header, part);
  }
  return Buffer.concat(records);
}

describe("the first bytes of a client", () => {
  test("name the host and the protocols", () => {
    expect(readClientHello(named)).toEqual({ serverName: "shop.test", protocols: [acmeProtocol] });
    expect(readClientHello(bare)).toEqual({ serverName: undefined, protocols: [] });
  });

  test("may arrive in any pieces", () => {
    for (let length = 0; length < named.length; length++)
      expect(readClientHello(named.subarray(0, length))).toBe("more");
    const followed = Buffer.concat([named, Buffer.from("early data")]);
    expect(readClientHello(followed)).toMatchObject({ serverName: "shop.test" });
  });

  test("may be spread over several records", () => {
    for (const size of [200, 500]) {
      const spread = inRecordsOf(size, named);
      expect(readClientHello(spread)).toMatchObject({ serverName: "shop.test" });
      for (let length = 0; length < spread.length; length += 7)
        expect(readClientHello(spread.subarray(0, length))).toBe("more");
    }
  });

  test("are not followed through more records than clients send", () => {
    expect(readClientHello(inRecordsOf(1, named))).toBe("other");
    const endless = Buffer.concat(Array.from({ length: 17 }, () => Buffer.from([22, 3, 1, 0, 1, 1])));
    expect(readClientHello(endless)).toBe("other");
  });

  test("are no handshake if they are anything else, and never throw", () => {
    expect(readClientHello(Buffer.from("GET / HTTP/1.1\r\n"))).toBe("other");
    expect(readClientHello(Buffer.from([22, 3, 1, 0, 1, 2]))).toBe("other");
    expect(readClientHello(Buffer.from([22, 3, 1, 0, 0]))).toBe("other");
    // A message of 16 MiB.
    expect(readClientHello(Buffer.from([22, 3, 1, 0, 4, 1, 255, 255, 255]))).toBe("other");
    for (let at = 5; at < named.length; at++) {
      for (const byte of [0, 1, 127, 255]) {
        const damaged = Buffer.from(named);
        damaged[at] = byte;
        const read = readClientHello(damaged);
        expect(
          typeof read === "string" ? ["more", "other"].includes(read) : Array.isArray(read.protocols),
        ).toBe(true);
      }
    }
  });
});
