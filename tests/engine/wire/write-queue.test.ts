import { expect, test } from "bun:test";

import { FoldedNames } from "../../../src/proxy/head-edit.ts";
import { ByteWriter } from "../../../src/engine/wire/http1/byte-writer.ts";
import { ParsedResponse } from "../../../src/engine/wire/http1/response-reader.ts";
import { Connection } from "../../../src/engine/wire/connection.ts";
import { ForwardingCache } from "../../../src/engine/wire/http1/request-writer.ts";
import { ForwardedResponse } from "../../../src/engine/wire/forwarded-response.ts";
import { ForwardedRequest } from "../../../src/engine/wire/forwarded-request.ts";
import { ParsedRequest } from "../../../src/engine/wire/http1/parsed-request.ts";

import { bytesOf } from "./http1/parse-result.ts";
import { requestLimits, responseLimits } from "./http1/limits.ts";

/** A connection that records its writes. */
class RecordingConnection extends Connection {
  readonly pieces: string[] = [];
  override write(bytes: Buffer, from: number, to: number): boolean {
    this.pieces.push(bytes.toString("latin1", from, to));
    return true;
  }
  override received(): void {}
  override ended(): void {}
  override closed(): void {}
  override handlerThrew(): void {}
  override expired(): void {}
  protected override flushed(): void {}
  protected override progressed(): void {}
}

test("the data of many small chunks leaves in one write to an HTTP/1.0 client", () => {
  const response = new ForwardedResponse(Buffer.alloc(128 * 1024), new ByteWriter());
  const bytes = bytesOf(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${"1\r\na\r\n".repeat(1_000)}`);
  const head = new ParsedResponse(responseLimits);
  head.parser.beginResponse(0);
  head.parser.parse(bytes, bytes.length);
  head.validate(bytes, { isHead: false, upgrades: false });
  const client = new RecordingConnection();
  response.begin(true, 0, undefined);
  response.closes = true;
  response.sendHead(client, head, bytes.length);
  response.sendBody(client, bytesOf(`${"1;x\r\nb\r\n".repeat(1_000)}0\r\nX-Sum: 1\r\n\r\n`));
  expect(client.pieces.slice(1)).toEqual(["a".repeat(1_000), "b".repeat(1_000)]);
});

/** A written request with a body of 50,000 bytes that came with its head. */
function writtenRequest(): ForwardedRequest {
  const request = new ForwardedRequest();
  const bytes = bytesOf(
    `PUT /secret HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n${"x".repeat(50_000)}`,
  );
  const head = new ParsedRequest(requestLimits);
  head.parser.beginRequest(0);
  head.parser.parse(bytes, bytes.length);
  head.validate(bytes);
  const stop = request.begin(head, bytes.length);
  request.write(
    head,
    stop,
    new ForwardingCache("http", { isTrustedProxy: () => false, viaName: "evenkeel-1" }).for("192.0.2.1"),
  );
  return request;
}

test("a released request keeps no large buffer and nothing of its head", () => {
  const small = new ForwardedRequest().replay.bytes.length;
  const request = writtenRequest();
  expect(request.replay.bytes.length).toBeGreaterThan(50_000);
  request.release();
  expect(request.replay.bytes.length).toBe(small);
  expect([request.view.header("host"), request.view.target]).toEqual([undefined, "/"]);
});

const edit = { removed: new FoldedNames(), defaults: [], added: [["X-A", "1"]], target: "/b" } as const;
const editedText = ({ replay }: ForwardedRequest) => replay.bytes.toString("latin1", 0, replay.length);

test("an edited request is read as the client sent it, with and without its body", () => {
  const request = writtenRequest();
  request.edit(edit);
  const head = /^PUT \/b HTTP\/1.1\r\nHost: a\r\n[^]*\r\nX-A: 1\r\n\r\n/;
  expect(editedText(request)).toMatch(new RegExp(`${head.source}x{50000}$`));
  expect([request.view.target, request.view.header("x-a")]).toEqual(["/secret", undefined]);
  request.dropBody();
  expect(editedText(request)).toMatch(new RegExp(`${head.source}$`));
  expect([request.view.target, request.view.header("x-a")]).toEqual(["/secret", undefined]);
  expect([request.view.host, request.replay.isWhole]).toEqual(["a", false]);
});

test("each attempt of an edited request has the Host of its upstream, and all of the body that has arrived", () => {
  const request = writtenRequest();
  for (const host of ["one.example", "one.example", "a-longer-name.example", "b"]) {
    request.edit({ ...edit, host });
    request.replay.append(Buffer.from("more"), 0, 4);
    expect(editedText(request)).toMatch(
      new RegExp(`^PUT /b HTTP/1.1\\r\\nHost: ${host}\\r\\n[^x]*X-A: 1\\r\\n\\r\\nx{50000}(more)+$`),
    );
  }
  expect(editedText(request)).toEndWith("xmoremoremoremore");
  expect(request.view.host).toBe("a");
});

test("a released request keeps nothing of an edit", () => {
  const small = new ForwardedRequest().replay.bytes.length;
  const request = writtenRequest();
  request.edit(edit);
  request.release();
  expect(request.replay.bytes.length).toBe(small);
  const next = writtenRequest();
  next.edit(edit);
  next.dropBody();
  next.release();
  expect([next.replay.bytes.length, next.view.target]).toEqual([small, "/"]);
});
