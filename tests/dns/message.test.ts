import { describe, expect, test } from "bun:test";

import { encode } from "dns-packet";

import { type DnsQuestion, encodeQuestion, readReply } from "../../src/dns/message.ts";
import { randomIndex, seededRandom } from "../../src/lib/random.ts";

const question: DnsQuestion = { name: "api.internal", type: "SRV" };
const id = 4_711;

const response = (more: object) =>
  encode({
    type: "response",
    id,
    flags: 0x0180,
    questions: [{ name: question.name, type: "SRV" }],
    ...more,
  });

const valid = response({
  answers: [
    { name: "api.internal", type: "CNAME", ttl: 9, data: "b.internal" },
    {
      name: "b.internal",
      type: "SRV",
      ttl: 60,
      data: { priority: 1, weight: 2, port: 80, target: "t.internal" },
    },
  ],
  additionals: [{ name: "t.internal", type: "A", ttl: 60, data: "10.0.0.1" }],
});

describe("a message of DNS", () => {
  test("asks one question, and announces the size of answers that it takes", () => {
    const asked = Buffer.from(encodeQuestion(id, question));
    expect(asked.readUInt16BE(0)).toBe(id);
    expect([asked.readUInt16BE(4), asked.readUInt16BE(10)]).toEqual([1, 1]);
    expect(asked.subarray(-8).readUInt16BE(0)).toBe(1_232);
    expect(Buffer.from(encodeQuestion(id, question, false)).readUInt16BE(10)).toBe(0);
  });

  test("is read with the shortest time to live of its chain", () =>
    expect(readReply(valid, id, question)).toMatchObject({ kind: "answer", ttlMs: 9_000 }));

  test("is valid for as long as its zone says where it has nothing", () => {
    const soa = { mname: "ns", rname: "root", serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 30 };
    const none = response({
      flags: 0x0183,
      authorities: [{ name: "internal", type: "SOA", ttl: 90, data: soa }],
    });
    expect(readReply(none, id, question)).toEqual({
      kind: "none",
      why: "there is no such name",
      ttlMs: 30_000,
    });
  });

  test("whose aliases have no end is a failure: the name may exist", () => {
    const alias = (name: string, data: string) => ({ name, type: "CNAME", ttl: 60, data });
    const loops = [
      [alias("api.internal", "api.internal")],
      [alias("api.internal", "b.internal"), alias("b.internal", "api.internal")],
    ];
    for (const answers of loops)
      expect(readReply(response({ answers }), id, question)).toEqual({
        kind: "failed",
        why: "its aliases have no end",
      });
  });

  test("that refers to other servers does not say that there is nothing", () => {
    const authorities = [{ name: "internal", type: "NS", ttl: 60, data: "ns.internal" }];
    expect(readReply(response({ flags: 0x0100, authorities }), id, question)).toMatchObject({
      kind: "failed",
    });
    expect(readReply(response({ flags: 0x0580, authorities }), id, question)).toMatchObject({ kind: "none" });
  });

  test("with half an address is not valid", () => {
    const asked: DnsQuestion = { name: "api.internal", type: "A" };
    const answers = [{ name: "api.internal", type: "A", ttl: 60, data: "10.0.0.1" }];
    const whole = Buffer.from(response({ questions: [asked], answers }));
    expect(readReply(whole, id, asked)).toMatchObject({ kind: "answer" });
    // Two bytes less, and so says its length.
    const half = whole.subarray(0, -2);
    half.writeUInt16BE(2, half.length - 4);
    expect(readReply(half, id, asked)).toBeUndefined();
  });

  test("of another id, another question or another type answers nothing", () => {
    expect(readReply(valid, id + 1, question)).toBeUndefined();
    expect(readReply(valid, id, { ...question, name: "c.internal" })).toBeUndefined();
    expect(readReply(valid, id, { ...question, type: "A" })).toBeUndefined();
    expect(readReply(encodeQuestion(id, question), id, question)).toBeUndefined();
  });

  test("with any bytes changed, removed or added throws nothing, and never takes long", () => {
    const random = seededRandom(20);
    let slowestMs = 0;
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(valid);
      for (let i = 0; i <= randomIndex(random, 8); i++)
        bytes[2 + randomIndex(random, bytes.length - 2)] = randomIndex(random, 256);
      const message = bytes.subarray(
        0,
        random() < 0.3 ? randomIndex(random, bytes.length + 1) : bytes.length,
      );
      const startedAt = performance.now();
      const reply = readReply(message, id, question);
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
      if (reply?.kind === "answer")
        for (const { weight, port } of reply.services) expect(weight + port).toBeLessThan(131_072);
    }
    expect(slowestMs).toBeLessThan(250);
  });

  test("of the largest size, whose names are chains of pointers, is read in bounded time", () => {
    const size = 65_535;
    const bytes = Buffer.alloc(size);
    bytes.writeUInt16BE(id, 0);
    bytes.writeUInt16BE(0x8180, 2);
    // A record of an unknown type, whose data is a chain of 8,000 pointers.
    const data = 23;
    const dataBytes = 16_300;
    bytes.writeUInt16BE(65_280, 13);
    bytes.writeUInt16BE(1, 15);
    bytes.writeUInt16BE(dataBytes, 21);
    let previous = 12;
    for (let at = data; at + 2 <= data + dataBytes; at += 2) {
      bytes.writeUInt16BE(0xc000 | previous, at);
      previous = at;
    }
    let count = 1;
    for (let at = data + dataBytes; at + 16 <= size; at += 16) {
      bytes.writeUInt16BE(0xc000 | previous, at);
      bytes.writeUInt16BE(1, at + 2);
      bytes.writeUInt16BE(1, at + 4);
      bytes.writeUInt16BE(4, at + 10);
      count += 1;
    }
    bytes.writeUInt16BE(count, 6);
    const before = process.cpuUsage();
    expect(readReply(bytes, id, question)).toBeUndefined();
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(1_000);
  });
});
