/** Probes over HTTP/2: against the real gRPC library, and against servers that misbehave. */

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

import { runtime } from "#runtime";
import { nodeSockets } from "../../src/engine/wire/node.ts";
import { systemClock } from "../../src/lib/clock.ts";
import type { Address } from "../../src/net/address.ts";
import { Endpoints } from "../../src/net/endpoints.ts";
import { type ProbePlan, probeWith } from "../../src/probe/probe.ts";
import { http2RequesterOn } from "../../src/runtime/http2-request.ts";
import { startGrpcServer } from "../support/grpc/processes.ts";
import { startHttp2Server } from "../support/http2-server.ts";

const certificates = join(import.meta.dirname, "..", "engine", "wire", "certificates");
const [certFile, keyFile] = [join(certificates, "server.crt"), join(certificates, "server.key")];
const ca = readFileSync(join(certificates, "authority.crt"), "utf8");

const timing = { intervalMs: 1_000, changingIntervalMs: 1_000, jitter: 0, rise: 1, fall: 1 };
const plan = (change: Partial<ProbePlan>): ProbePlan => ({
  kind: "grpc",
  service: "",
  timeoutMs: 2_000,
  ...timing,
  ...change,
});

describe.each([
  ["Bun's sockets", runtime],
  ["node's sockets", { ...runtime, requestHttp2: http2RequesterOn(nodeSockets) }],
] as const)("a gRPC probe on %s", (_, probing) => {
  const probe = probeWith(probing, systemClock);
  const resultOf = async (port: number, change: Partial<ProbePlan> = {}, more: Partial<Address> = {}) => {
    const address = { protocol: "http" as const, hostname: "127.0.0.1", port, http2: true, ...more };
    const result = await probe({ address, endpoints: new Endpoints(address.hostname) }, plan(change));
    return "success" in result ? [result.success, result.detail] : result;
  };

  test.each([false, true])("reads the health of the real library (TLS: %p)", async (isSecure) => {
    const server = await startGrpcServer(isSecure ? [certFile, keyFile] : []);
    const more = isSecure
      ? { protocol: "https" as const, tls: { ca, serverName: "up.example", verify: true } }
      : {};
    try {
      expect(await resultOf(server.port, {}, more)).toEqual([true, "SERVING"]);
      expect(await resultOf(server.port, { service: "echo.Echo" }, more)).toEqual([true, "SERVING"]);
      expect(await resultOf(server.port, { service: "echo.Down" }, more)).toEqual([false, "NOT_SERVING"]);
      expect(await resultOf(server.port, { service: "x.Y" }, more)).toEqual([
        false,
        "grpc-status 5: the server does not know the service",
      ]);
      expect(await resultOf(server.port, { kind: "http", path: "/x" }, more)).toEqual([false, "status 415"]);
      if (isSecure) {
        const stranger = { ...more, tls: { verify: true } };
        const [success] = (await resultOf(server.port, {}, stranger)) as readonly unknown[];
        expect(success).toBe(false);
      }
    } finally {
      await server.close();
    }
  });

  const serving = Buffer.from([0, 0, 0, 0, 2, 8, 1]);
  const head = [
    [":status", "200"],
    ["content-type", "application/grpc"],
  ] as const;
  test.each<readonly [name: string, body: Buffer, status: string, result: readonly [boolean, string]]>([
    ["a response", serving, "0", [true, "SERVING"]],
    ["the default", Buffer.from([0, 0, 0, 0, 0]), "0", [false, "UNKNOWN"]],
    ["a number without a name", Buffer.from([0, 0, 0, 0, 2, 8, 9]), "0", [false, "health 9"]],
    ["a compressed message", Buffer.from([1, 0, 0, 0, 2, 8, 1]), "0", [false, "the response has no health"]],
    ["half a message", serving.subarray(0, 6), "0", [false, "the response has no health"]],
    ["no message", Buffer.alloc(0), "0", [false, "the response has no health"]],
    ["no such service", Buffer.alloc(0), "12", [false, "grpc-status 12: the server has no health service"]],
    ["another failure", Buffer.alloc(0), "13", [false, "grpc-status 13"]],
  ])("reads %s", async (__, body, status, result) => {
    const server = await startHttp2Server({
      onRequest: ({ connection, streamId }) =>
        connection.respond(streamId, head, body, [["grpc-status", status]]),
    });
    try {
      expect(await resultOf(server.port, { service: "a.B" })).toEqual(result as [boolean, string]);
      const [request] = server.requests();
      expect(request?.field(":path")).toBe("/grpc.health.v1.Health/Check");
      expect(request?.body).toEqual(Buffer.from([0, 0, 0, 0, 5, 10, 3, 97, 46, 66]));
    } finally {
      await server.close();
    }
  });

  test("fails against what is no gRPC, no HTTP/2, or silent", async () => {
    const plain = await startHttp2Server({
      onRequest: (request) => request.respond([[":status", "200"]], "hi"),
    });
    const silent = await startHttp2Server({});
    const http1 = createServer((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((resolve) => http1.listen(0, "127.0.0.1", resolve));
    const at = http1.address();
    try {
      expect(await resultOf(plain.port)).toEqual([false, "the response is not gRPC"]);
      expect(await resultOf(silent.port, { timeoutMs: 200 })).toEqual([false, "no response in time"]);
      expect(await resultOf(typeof at === "object" && at ? at.port : 0)).toEqual([
        false,
        "the server does not speak HTTP/2",
      ]);
      await plain.close();
      expect(await resultOf(plain.port)).toEqual([false, "connection refused"]);
    } finally {
      await Promise.all([plain.close().catch(() => {}), silent.close()]);
      http1.close();
    }
  });
});
