/** Reads the name and the protocols that a TLS client sends first: a certificate for acme-tls/1 depends on both. */

/** What a ClientHello says (RFC 8446 section 4.1.2). */
export interface ClientHello {
  /** Undefined if the client sends none (RFC 6066 section 3). */
  readonly serverName: string | undefined;
  /** Of ALPN (RFC 7301); empty without it. */
  readonly protocols: readonly string[];
}

/** The protocol of tls-alpn-01 (RFC 8737). */
export const acmeProtocol = "acme-tls/1";

const [handshakeRecord, clientHelloMessage, serverNameExtension, alpnExtension] = [22, 1, 0, 16];
const recordHeader = 5;

/** Clients send less: two kilobytes with post-quantum keys, in one record. More would only cost memory and time. */
const maxHello = 16_384;
const maxRecords = 16;

/**
 * @returns "more" while it may be the beginning of one; "other" for what is none. The TLS library decides what to do with
 * that, and checks everything again.
 */
export function readClientHello(bytes: Buffer): ClientHello | "more" | "other" {
  const message = handshakeBytes(bytes);
  if (typeof message === "string") return message;
  const reader = new Reader(message.subarray(4));
  // Version and random.
  reader.skip(2 + 32);
  reader.vector(1);
  reader.vector(2);
  reader.vector(1);
  const extensions = new Reader(reader.vector(2));
  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const content = new Reader(extensions.vector(2));
    if (type === serverNameExtension) serverName = firstName(new Reader(content.vector(2)));
    else if (type === alpnExtension) protocols = names(new Reader(content.vector(2)));
    if (content.isBroken) return "other";
  }
  return reader.isBroken || extensions.isBroken ? "other" : { serverName, protocols };
}

/** The first handshake message, which may be spread over several records. */
function handshakeBytes(bytes: Buffer): Buffer | "more" | "other" {
  const parts: Buffer[] = [];
  for (let at = 0; parts.length < maxRecords && at < maxHello;) {
    if (bytes.length > at && bytes[at] !== handshakeRecord) return "other";
    if (bytes.length < at + recordHeader) return "more";
    const size = bytes.readUInt16BE(at + 3);
    if (size === 0) return "other";
    parts.push(bytes.subarray(at + recordHeader, at + recordHeader + size));
    at += recordHeader + size;
    const message = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
    if (message.length > 0 && message[0] !== clientHelloMessage) return "other";
    const needed = message.length < 4 ? 4 : 4 + message.readUIntBE(1, 3);
    if (needed > maxHello) return "other";
    if (message.length >= needed && needed > 4) return message.subarray(0, needed);
    if (at > bytes.length) return "more";
  }
  return "other";
}

function firstName(list: Reader): string | undefined {
  while (list.left > 0) {
    const type = list.number(1);
    const name = list.vector(2);
    if (type === 0) return name.toString("latin1");
  }
  return undefined;
}

function names(list: Reader): readonly string[] {
  const found: string[] = [];
  while (list.left > 0) found.push(list.vector(1).toString("latin1"));
  return found;
}

/** Reads numbers and vectors. Past the end it is broken, and returns zeros and empty vectors. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  isBroken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.isBroken ? 0 : this.#bytes.length - this.#at;
  }

  skip(length: number): void {
    this.isBroken ||= length > this.left;
    this.#at += length;
  }

  number(size: number): number {
    if (size > this.left) {
      this.isBroken = true;
      return 0;
    }
    this.#at += size;
    return this.#bytes.readUIntBE(this.#at - size, size);
  }

  /** A vector whose length stands before it, in this many bytes. */
  vector(lengthSize: number): Buffer {
    const length = this.number(lengthSize);
    if (length > this.left) this.isBroken = true;
    if (this.isBroken) return Buffer.alloc(0);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
