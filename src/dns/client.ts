/** Asks DNS servers: over UDP, over TCP where an answer does not fit, and the next server where one fails or is silent. */

import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";

import type { Schedule } from "../lib/clock.ts";
import { secretIndex } from "../lib/secrets.ts";
import { encodeQuestion, type DnsQuestion, readReply, type DnsReply } from "./message.ts";
import { configuredResolvers, ParsedFile, parseResolvConf, type ResolverConfig } from "./resolv-conf.ts";

/** What a question ends with. */
export type DnsResult = Exclude<DnsReply, { kind: "truncated" | "unextended" }>;

export type AskDns = (question: DnsQuestion) => Promise<DnsResult>;

/** DNS as the configuration says: its `resolvers`, else the servers of the system. */
export interface Dns {
  readonly ask: AskDns;
  /** As it is now. */
  readonly config: () => ResolverConfig;
  /** Whether the hosts file counts. */
  readonly usesSystem: () => boolean;
}

const systemResolvers = new ParsedFile("/etc/resolv.conf", parseResolvConf);

/** @param resolvers read for each question; empty for those of the system */
export function createDns(resolvers: () => readonly string[], schedule: Schedule): Dns {
  const usesSystem = () => resolvers().length === 0;
  const config = () => (usesSystem() ? systemResolvers.value : configuredResolvers(resolvers()));
  return { ask: createDnsClient({ config, schedule }), config, usesSystem };
}

export interface DnsClientOptions {
  /** Read for each question. */
  readonly config: () => ResolverConfig;
  readonly schedule: Schedule;
}

/** Questions at a time: a service may have a thousand targets. */
const maxOpen = 32;

export function createDnsClient({ config, schedule }: DnsClientOptions): AskDns {
  const turn = limitOf(maxOpen);
  /** The server that answered last is asked first, so that a silent one costs its timeout once. */
  let preferred = "";
  return (question) =>
    turn(async () => {
      const { servers, timeoutMs, attempts } = config();
      const ordered = servers.toSorted(
        (one, other) => Number(other === preferred) - Number(one === preferred),
      );
      let why = "no DNS server is configured";
      for (let attempt = 0; attempt < attempts; attempt++)
        for (const server of ordered) {
          const result = await askServer(server, question, { timeoutMs, schedule });
          if (result.kind !== "failed") {
            preferred = server;
            return result;
          }
          why = `DNS server ${server}: ${result.why}`;
        }
      return { kind: "failed", why };
    });
}

interface ExchangeOptions {
  readonly timeoutMs: number;
  readonly schedule: Schedule;
}

type Failure = Extract<DnsReply, { kind: "failed" }>;

async function askServer(
  server: string,
  question: DnsQuestion,
  options: ExchangeOptions,
): Promise<DnsResult> {
  const address = parseServer(server);
  for (const isExtended of [true, false]) {
    const reply = await overUdp(address, question, { ...options, isExtended });
    const whole =
      reply.kind === "truncated" ? await overTcp(address, question, { ...options, isExtended }) : reply;
    if (whole.kind === "truncated") return { kind: "failed", why: "the answer is truncated, also over TCP" };
    if (whole.kind !== "unextended") return whole;
  }
  return { kind: "failed", why: "it does not understand the question" };
}

interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/** "10.0.0.53", "10.0.0.53:5353", "fd00::53" or "[fd00::53]:5353" */
function parseServer(text: string): ServerAddress {
  const [, bracketed, inBrackets] = /^\[(.*)\](?::(\d+))?$/.exec(text) ?? [];
  if (bracketed !== undefined) return { host: bracketed, port: Number(inBrackets ?? 53) };
  const [, host = text, port] = /^([^:]*):(\d+)$/.exec(text) ?? [];
  return { host, port: Number(port ?? 53) };
}

type Exchange = ExchangeOptions & { readonly isExtended: boolean };

/** A socket and so a port for each question, and a random id: both have to be guessed to forge an answer (RFC 5452). */
function overUdp(
  { host, port }: ServerAddress,
  question: DnsQuestion,
  { timeoutMs, schedule, isExtended }: Exchange,
): Promise<DnsReply> {
  const { promise, resolve } = Promise.withResolvers<DnsReply>();
  const id = secretIndex(65_536);
  const socket = createSocket(isIPv6(host.replace(/%.*$/, "")) ? "udp6" : "udp4");
  let late: Failure = { kind: "failed", why: "no answer in time" };
  const cancel = schedule(timeoutMs, () => resolve(late));
  socket.on("error", (error) => resolve({ kind: "failed", why: describeError(error) }));
  socket.on("message", (message, from) => {
    // The system passes on only what the server sent, where it can.
    if (from.port !== port) return;
    const reply = readReply(message, id, question);
    // Garbage does not end the question: the server may still answer.
    if (reply) resolve(reply);
    else late = { kind: "failed", why: "its answer is not valid" };
  });
  try {
    socket.connect(port, host, () => socket.send(encodeQuestion(id, question, isExtended)));
  } catch (error) {
    resolve({ kind: "failed", why: describeError(error) });
  }
  return promise.finally(() => {
    cancel();
    socket.close();
  });
}

/** Each message has its length before it (RFC 1035 section 4.2.2). */
const lengthBytes = 2;

function overTcp(
  { host, port }: ServerAddress,
  question: DnsQuestion,
  { timeoutMs, schedule, isExtended }: Exchange,
): Promise<DnsReply> {
  const { promise, resolve } = Promise.withResolvers<DnsReply>();
  const failed = (why: string) => resolve({ kind: "failed", why: `${why} (TCP)` });
  const id = secretIndex(65_536);
  const socket = connect(port, host);
  const cancel = schedule(timeoutMs, () => failed("no answer in time"));
  const received = new LengthPrefixed();
  socket.on("error", (error) => failed(describeError(error)));
  socket.on("close", () => failed("it closed the connection"));
  socket.on("connect", () => {
    const message = encodeQuestion(id, question, isExtended);
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
  });
  socket.on("data", (chunk: Buffer) => {
    const message = received.add(chunk);
    if (!message) return;
    const reply = readReply(message, id, question);
    if (reply) resolve(reply);
    else failed("its answer is not valid");
  });
  return promise.finally(() => {
    cancel();
    socket.destroy();
  });
}

/** Collects one message, however its bytes come. */
class LengthPrefixed {
  readonly #chunks: Buffer[] = [];
  #size = 0;
  #expected = Infinity;

  /** @returns the message when it is whole */
  add(chunk: Buffer): Buffer | undefined {
    if (this.#size >= this.#expected) return undefined;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#expected === Infinity && this.#size >= lengthBytes)
      this.#expected = lengthBytes + Buffer.concat(this.#chunks).readUInt16BE(0);
    return this.#size >= this.#expected
      ? Buffer.concat(this.#chunks).subarray(lengthBytes, this.#expected)
      : undefined;
  }
}

function describeError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ECONNREFUSED") return "refused";
  return code || String(error);
}

/** Runs at most so many tasks at a time; the others wait. */
function limitOf(count: number): <T>(task: () => Promise<T>) => Promise<T> {
  let open = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (open >= count) await new Promise<void>((resolve) => waiting.push(resolve));
    else open += 1;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else open -= 1;
    }
  };
}
