import { describe, expect, test } from "bun:test";

import { createDnsClient } from "../../src/dns/client.ts";
import type { DnsQuestion } from "../../src/dns/message.ts";
import { configuredResolvers } from "../../src/dns/resolv-conf.ts";
import { systemSchedule } from "../../src/lib/clock.ts";
import { type DnsServer, type Misbehaviour, startDnsServer } from "../support/dns-server.ts";

const question: DnsQuestion = { name: "api.internal", type: "A" };

/** A server that knows api.internal, for the length of one test. */
async function withServer(check: (server: DnsServer) => Promise<void>): Promise<void> {
  const server = await startDnsServer({ "api.internal": ["10.0.0.1", "10.0.0.2", "fd00::1"] });
  try {
    await check(server);
  } finally {
    server.close();
  }
}

const clientOf = (...servers: string[]) =>
  createDnsClient({
    config: () => ({ ...configuredResolvers(servers), timeoutMs: 150, attempts: 2 }),
    schedule: systemSchedule,
  });

/** An address where no DNS server is. */
const nowhere = "127.0.0.1:1";

describe("a question to a DNS server", () => {
  test("has the records of its type, with their time to live", () =>
    withServer(async (server) => {
      server.ttlSeconds = 7;
      const ask = clientOf(server.address);
      expect(await ask(question)).toMatchObject({
        kind: "answer",
        addresses: ["10.0.0.1", "10.0.0.2"],
        ttlMs: 7_000,
      });
      expect(await ask({ ...question, type: "AAAA" })).toMatchObject({
        kind: "answer",
        addresses: ["fd00::1"],
      });
      expect(await ask({ ...question, name: "API.Internal" })).toMatchObject({ kind: "answer" });
    }));

  test("follows aliases in the answer", () =>
    withServer(async (server) => {
      server.aliases.set("www.internal", "api.internal");
      expect(await clientOf(server.address)({ name: "www.internal", type: "A" })).toMatchObject({
        addresses: ["10.0.0.1", "10.0.0.2"],
      });
    }));

  test("has services with the addresses of their targets, if the server adds them", () =>
    withServer(async (server) => {
      server.services.set("_http._tcp.internal", [
        { priority: 1, weight: 5, port: 8080, target: "api.internal" },
      ]);
      server.addsTargets = true;
      const reply = await clientOf(server.address)({ name: "_http._tcp.internal", type: "SRV" });
      expect(reply).toMatchObject({
        kind: "answer",
        services: [{ priority: 1, weight: 5, port: 8080, target: "api.internal" }],
      });
      expect(reply.kind === "answer" && [...reply.targets]).toEqual([
        ["api.internal", ["10.0.0.1", "10.0.0.2", "fd00::1"]],
      ]);
    }));

  test("tells a name that does not exist from one without such records", () =>
    withServer(async (server) => {
      server.records.set("v4.internal", ["10.0.0.9"]);
      const ask = clientOf(server.address);
      expect(await ask({ name: "gone.internal", type: "A" })).toMatchObject({
        kind: "none",
        why: "there is no such name",
      });
      expect(await ask({ name: "v4.internal", type: "AAAA" })).toMatchObject({
        kind: "none",
        why: "it has no AAAA record",
      });
    }));

  const failures: readonly (readonly [Misbehaviour, string])[] = [
    ["servfail", "SERVFAIL"],
    ["refused", "REFUSED"],
    ["silent", "no answer in time"],
    ["garbage", "its answer is not valid"],
    ["forged", "its answer is not valid"],
    ["foreign", "its answer is not valid"],
    ["loop", "its answer is not valid"],
    ["truncated-always", "the answer is truncated, also over TCP"],
  ];
  for (const [misbehaves, why] of failures)
    test(`fails with its cause at a server that is ${misbehaves}`, () =>
      withServer(async (server) => {
        server.misbehaves = misbehaves;
        expect(await clientOf(server.address)(question)).toEqual({
          kind: "failed",
          why: `DNS server ${server.address}: ${why}`,
        });
        expect(server.questions.length).toBe(2);
      }));

  test("fails at once where no server listens", async () => {
    const startedAt = performance.now();
    expect(await clientOf(nowhere)(question)).toEqual({
      kind: "failed",
      why: `DNS server ${nowhere}: refused`,
    });
    expect(performance.now() - startedAt).toBeLessThan(140);
  });

  test("goes over TCP where the answer does not fit", () =>
    withServer(async (server) => {
      server.misbehaves = "truncated";
      expect(await clientOf(server.address)(question)).toMatchObject({ addresses: ["10.0.0.1", "10.0.0.2"] });
      expect(server.overTcp).toEqual(["api.internal"]);
    }));

  test("is asked again in the old form where a server does not understand extensions", () =>
    withServer(async (server) => {
      server.misbehaves = "no-edns";
      expect(await clientOf(server.address)(question)).toMatchObject({ kind: "answer" });
      expect(server.questions.length).toBe(2);
    }));

  test("goes to the next server after a failure, and there first the next time", () =>
    withServer((one) =>
      withServer(async (two) => {
        one.misbehaves = "servfail";
        const ask = clientOf(one.address, two.address);
        for (let i = 0; i < 3; i++) expect(await ask(question)).toMatchObject({ kind: "answer" });
        expect([one.questions.length, two.questions.length]).toEqual([1, 3]);
      }),
    ));

  test("is believed when a name does not exist: the next server is not asked", () =>
    withServer((one) =>
      withServer(async (two) => {
        const ask = clientOf(one.address, two.address);
        expect(await ask({ name: "gone.internal", type: "A" })).toMatchObject({ kind: "none" });
        expect(two.questions).toEqual([]);
      }),
    ));

  test("has answers of a thousand members, over TCP", () =>
    withServer(async (server) => {
      server.misbehaves = "truncated";
      server.records.set(
        "many.internal",
        Array.from({ length: 1_000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`),
      );
      const reply = await clientOf(server.address)({ name: "many.internal", type: "A" });
      expect(reply.kind === "answer" && reply.addresses.length).toBe(1_000);
    }));

  test("waits for its turn when many are open", () =>
    withServer(async (server) => {
      const ask = clientOf(server.address);
      const replies = await Promise.all(Array.from({ length: 200 }, () => ask(question)));
      expect(replies.every(({ kind }) => kind === "answer")).toBe(true);
    }));

  test("has another id and another port each time", async () => {
    const seen: string[] = [];
    const { createSocket } = await import("node:dgram");
    const socket = createSocket("udp4");
    socket.on(
      "message",
      (message: Buffer, from) => void seen.push(`${message.readUInt16BE(0)} ${from.port}`),
    );
    await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve));
    const ask = createDnsClient({
      config: () => ({
        ...configuredResolvers([`127.0.0.1:${socket.address().port}`]),
        timeoutMs: 20,
        attempts: 1,
      }),
      schedule: systemSchedule,
    });
    for (let i = 0; i < 20; i++) await ask(question);
    socket.close();
    const ids = seen.map((text) => text.split(" ")[0]);
    const ports = seen.map((text) => text.split(" ")[1]);
    expect(new Set(ids).size).toBeGreaterThan(17);
    expect(new Set(ports).size).toBeGreaterThan(10);
  });
});
