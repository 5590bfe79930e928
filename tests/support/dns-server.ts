/** A DNS server for one test: answers A and AAAA questions over UDP from a table that the test changes (RFC 1035 section 4). */

import { createSocket, type RemoteInfo } from "node:dgram";
import { isIPv6 } from "node:net";

export interface DnsServer {
  /** "127.0.0.1:port", for the setting `resolvers`. */
  readonly address: string;
  /** Names of the questions, one for each question of either family. */
  readonly questions: string[];
  /** The addresses of a name; a name without them does not exist. */
  readonly records: Map<string, readonly string[]>;
  ttlSeconds: number;
  /** A silent server answers nothing. */
  isSilent: boolean;
  close(): void;
}

const types = { a: 1, aaaa: 28 };
const headerBytes = 12;

export async function startDnsServer(
  records: Readonly<Record<string, readonly string[]>>,
): Promise<DnsServer> {
  const socket = createSocket("udp4");
  const server: DnsServer = {
    get address() {
      return `127.0.0.1:${socket.address().port}`;
    },
    questions: [],
    records: new Map(Object.entries(records)),
    ttlSeconds: 60,
    isSilent: false,
    close: () => void socket.close(),
  };
  socket.on("message", (message: Buffer, from: RemoteInfo) => {
    const { name, type, end } = questionIn(message);
    server.questions.push(name);
    if (!server.isSilent)
      socket.send(answer(server, message.subarray(0, end), { name, type }), from.port, from.address);
  });
  await new Promise<void>((resolve) => void socket.bind(0, "127.0.0.1", resolve));
  return server;
}

function questionIn(message: Buffer) {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: message.readUInt16BE(at + 1), end: at + 5 };
}

function answer(
  { records, ttlSeconds }: DnsServer,
  question: Buffer,
  { name, type }: { readonly name: string; readonly type: number },
): Buffer {
  const known = records.get(name);
  const addresses = (known ?? []).filter((address) => type === (isIPv6(address) ? types.aaaa : types.a));
  const head = Buffer.from(question);
  head.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const answers = addresses.map((address) => {
    const data = isIPv6(address) ? ipv6Bytes(address) : Buffer.from(address.split(".").map(Number));
    const fields = Buffer.alloc(headerBytes);
    fields.writeUInt16BE(0xc00c, 0);
    fields.writeUInt16BE(type, 2);
    fields.writeUInt16BE(1, 4);
    fields.writeUInt32BE(ttlSeconds, 6);
    fields.writeUInt16BE(data.length, 10);
    return Buffer.concat([fields, data]);
  });
  return Buffer.concat([head, ...answers]);
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
