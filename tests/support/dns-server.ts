/** A DNS server for one test: answers over UDP and TCP from tables that the test changes (RFC 1035 section 4). */

import { createSocket, type RemoteInfo } from "node:dgram";
import { createServer, isIPv6, type Server, type Socket } from "node:net";

export interface ServiceRow {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

/** What the server does in place of an answer. `forged` answers have another id, `foreign` ones another question. */
export type Misbehaviour =
  | "silent"
  | "servfail"
  | "refused"
  | "truncated"
  | "truncated-always"
  | "garbage"
  | "forged"
  | "foreign"
  | "no-edns"
  | "loop";

export interface DnsServer {
  /** "127.0.0.1:port", for the setting `resolvers`. */
  readonly address: string;
  /** Names of the questions, one for each question of either family. */
  readonly questions: string[];
  /** Questions that came over TCP. */
  readonly overTcp: string[];
  /** The addresses of a name; a name without them does not exist. */
  readonly records: Map<string, readonly string[]>;
  readonly services: Map<string, readonly ServiceRow[]>;
  /** The name that a name is an alias of. */
  readonly aliases: Map<string, string>;
  ttlSeconds: number;
  /** Later questions are answered `lateMs` late. */
  promptQuestions: number;
  lateMs: number;
  /** A silent server answers nothing. */
  isSilent: boolean;
  misbehaves: Misbehaviour | undefined;
  /** For questions of AAAA records only. */
  ipv6Misbehaves: Misbehaviour | undefined;
  /** Whether answers for services have the addresses of their targets. */
  addsTargets: boolean;
  close(): void;
}

const types = { a: 1, cname: 5, soa: 6, aaaa: 28, srv: 33, opt: 41 };
const headerBytes = 12;

export async function startDnsServer(
  records: Readonly<Record<string, readonly string[]>>,
): Promise<DnsServer> {
  const { udp, tcp } = await boundPair();
  const open = new Set<Socket>();
  let isOpen = true;
  const server: DnsServer = {
    get address() {
      return `127.0.0.1:${udp.address().port}`;
    },
    questions: [],
    overTcp: [],
    records: new Map(Object.entries(records)),
    services: new Map(),
    aliases: new Map(),
    ttlSeconds: 60,
    promptQuestions: Infinity,
    lateMs: 500,
    isSilent: false,
    misbehaves: undefined,
    ipv6Misbehaves: undefined,
    addsTargets: false,
    close() {
      isOpen = false;
      udp.close();
      tcp.close();
      for (const socket of open) socket.destroy();
    },
  };
  udp.on("message", (message: Buffer, from: RemoteInfo) => {
    const question = questionIn(message);
    server.questions.push(question.name);
    const response = responseTo(server, message, { ...question, isTcp: false });
    if (!response) return;
    const isLate = server.questions.length > server.promptQuestions;
    const send = () => isOpen && udp.send(response, from.port, from.address);
    if (isLate) setTimeout(send, server.lateMs);
    else send();
  });
  tcp.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      const message = chunk.subarray(2);
      const question = questionIn(message);
      server.overTcp.push(question.name);
      const response = responseTo(server, message, { ...question, isTcp: true });
      if (!response) return;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(response.length);
      const whole = Buffer.concat([length, response]);
      // In pieces, as a network may deliver it.
      socket.write(whole.subarray(0, 1));
      setImmediate(() => socket.write(whole.subarray(1)));
    });
  });
  return server;
}

/** UDP and TCP on one port. */
async function boundPair() {
  for (let attempt = 0; ; attempt++) {
    const udp = createSocket("udp4");
    await new Promise<void>((resolve) => void udp.bind(0, "127.0.0.1", resolve));
    const tcp = createServer();
    if (await canListen(tcp, udp.address().port)) return { udp, tcp };
    udp.close();
    if (attempt > 20) throw new Error("Cannot start a DNS server: no port is free for UDP and TCP");
  }
}

function canListen(tcp: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    tcp.once("error", () => resolve(false));
    tcp.listen(port, "127.0.0.1", () => resolve(true));
  });
}

interface ReadQuestion {
  readonly name: string;
  readonly type: number;
  readonly end: number;
}

function questionIn(message: Buffer): ReadQuestion {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

function responseTo(
  server: DnsServer,
  message: Buffer,
  { name, type, end, isTcp }: ReadQuestion & { readonly isTcp: boolean },
): Buffer | undefined {
  const head = Buffer.from(message.subarray(0, end));
  const fault = (type === types.aaaa ? server.ipv6Misbehaves : undefined) ?? server.misbehaves;
  const hasEdns = message.readUInt16BE(10) > 0;
  if (server.isSilent || fault === "silent") return undefined;
  if (fault === "garbage") return Buffer.from("\x00\x00garbage".repeat(3));
  if (fault === "servfail") return failed(head, 2);
  if (fault === "refused") return failed(head, 5);
  if (fault === "no-edns" && hasEdns) return failed(head, 1);
  if (fault === "loop") return looping(head);
  if (fault === "truncated-always" || (fault === "truncated" && !isTcp)) return failed(head, 0, 0x0200);
  const whole = answer(server, head, { name, type });
  if (fault === "forged") whole.writeUInt16BE(whole.readUInt16BE(0) ^ 1, 0);
  if (fault === "foreign") whole[headerBytes + 1] = (whole[headerBytes + 1] ?? 0) ^ 1;
  return whole;
}

function failed(head: Buffer, rcode: number, flags = 0): Buffer {
  head.writeUInt16BE(0x8180 | flags | rcode, 2);
  head.writeUInt32BE(0, 6);
  head.writeUInt16BE(0, 10);
  return head;
}

/** An answer whose name points at itself. */
function looping(head: Buffer): Buffer {
  const at = head.length;
  failed(head, 0).writeUInt16BE(1, 6);
  const record = Buffer.from([0xc0 | (at >> 8), at & 0xff, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1]);
  return Buffer.concat([head, record]);
}

function answer(
  { records, services, aliases, ttlSeconds, addsTargets }: DnsServer,
  head: Buffer,
  { name, type }: { readonly name: string; readonly type: number },
): Buffer {
  const alias = aliases.get(name);
  const owner = alias ?? name;
  const rows = services.get(owner);
  const known = records.get(owner) ?? (rows ? [] : undefined);
  const answers: Buffer[] = [];
  const record = (from: string, kind: number, data: Buffer) => {
    const fields = Buffer.alloc(10);
    fields.writeUInt16BE(kind, 0);
    fields.writeUInt16BE(1, 2);
    fields.writeUInt32BE(ttlSeconds, 4);
    fields.writeUInt16BE(data.length, 8);
    return Buffer.concat([nameBytes(from), fields, data]);
  };
  const addressRecords = (of: string, addresses: readonly string[], kind?: number) =>
    addresses
      .map((address) => ({ address, kind: isIPv6(address) ? types.aaaa : types.a }))
      .filter((one) => kind === undefined || one.kind === kind)
      .map((one) =>
        record(
          of,
          one.kind,
          one.kind === types.aaaa ? ipv6Bytes(one.address) : Buffer.from(one.address.split(".").map(Number)),
        ),
      );
  if (alias) answers.push(record(name, types.cname, nameBytes(alias)));
  if (type === types.srv)
    for (const { priority, weight, port, target } of rows ?? []) {
      const numbers = Buffer.alloc(6);
      for (const [index, value] of [priority, weight, port].entries())
        numbers.writeUInt16BE(value, index * 2);
      answers.push(record(owner, types.srv, Buffer.concat([numbers, nameBytes(target)])));
    }
  else answers.push(...addressRecords(owner, known ?? [], type));
  const added =
    addsTargets && type === types.srv
      ? (rows ?? []).flatMap(({ target }) => addressRecords(target, records.get(target) ?? []))
      : [];
  head.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(answers.length, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(added.length, 10);
  return Buffer.concat([head, ...answers, ...added]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")])),
    Buffer.from([0]),
  ]);
}

/** Of an address with at most one "::" and no IPv4 part. */
function ipv6Bytes(address: string): Buffer {
  const [left = "", right = ""] = address.split("::");
  const groups = (text: string) => text.split(":").filter((group) => group !== "");
  const [before, after] = [groups(left), groups(right)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  const bytes = Buffer.alloc(16);
  [...before, ...zeros, ...after].forEach((group, i) =>
    bytes.writeUInt16BE(Number.parseInt(group, 16), i * 2),
  );
  return bytes;
}
