import { expect, test } from "bun:test";

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
  const response = new ForwardedResponse(Buffer.alloc(128 * 1024));
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

test("a released request keeps no large buffer and nothing of its head", () => {
  const request = new ForwardedRequest();
  const small = request.replay.bytes.length;
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
  expect(request.replay.bytes.length).toBeGreaterThan(50_000);
  request.release();
  expect(request.replay.bytes.length).toBe(small);
  expect([request.view.header("host"), request.view.target]).toEqual([undefined, "/"]);
});
