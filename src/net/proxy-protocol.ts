/** Parses the header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt). */

import { isIPv4, isIPv6 } from "node:net";
import { canonicalIp } from "./ip-address.ts";

/** A whole header. */
export interface ProxyHeader {
  /** Bytes of the header. */
  readonly length: number;
  /** The client's IP address in canonical text; undefined if the proxy speaks for itself, or for a client without one. */
  readonly address: string | undefined;
}

/** NGINX's limit for version 2: a certificate, which HAProxy can add, takes more than the 536 bytes of one packet. */
const maxBytes = 4_096;
/** Of version 1, with the line end. */
const maxLineBytes = 107;

const lineStart = Buffer.from("PROXY ", "latin1");
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** Signature, version and command, family and transport, length. */
const fixedBytes = signature.length + 4;

/**
 * Reads a header at the start of `bytes`.
 * @returns "more" while it is incomplete; "invalid" as soon as it cannot become one
 */
export function readProxyHeader(bytes: Buffer): ProxyHeader | "more" | "invalid" {
  if (bytes.length === 0) return "more";
  const start = bytes[0] === lineStart[0] ? lineStart : signature;
  const compared = Math.min(bytes.length, start.length);
  if (!bytes.subarray(0, compared).equals(start.subarray(0, compared))) return "invalid";
  if (compared < start.length) return "more";
  return start === lineStart ? readLine(bytes) : readBinary(bytes);
}

const portPattern = "(?:0|[1-9]\\d{0,4})";
const linePattern = new RegExp(`^PROXY TCP([46]) (\\S+) (\\S+) (${portPattern}) (${portPattern})$`);

function readLine(bytes: Buffer): ProxyHeader | "more" | "invalid" {
  const end = bytes.subarray(0, maxLineBytes).indexOf("\r\n");
  if (end < 0) return bytes.length < maxLineBytes ? "more" : "invalid";
  const text = bytes.toString("latin1", 0, end);
  const length = end + 2;
  if (/^PROXY UNKNOWN(?: [ -~]*)?$/.test(text)) return { length, address: undefined };
  const [, family, source = "", destination = "", ...ports] = linePattern.exec(text) ?? [];
  if (family === undefined || ports.some((port) => Number(port) > 65_535)) return "invalid";
  const isAddress = family === "4" ? isIPv4 : isIPv6;
  const address = isAddress(source) && isAddress(destination) ? canonicalIp(source) : undefined;
  return address === undefined ? "invalid" : { length, address };
}

const command = { local: 0, proxy: 1 } as const;
/** Address family and transport in one byte. */
const stream4 = 0x11;
const stream6 = 0x21;

function readBinary(bytes: Buffer): ProxyHeader | "more" | "invalid" {
  const [versionAndCommand = 0x20, family = 0] = bytes.subarray(signature.length);
  const wanted = versionAndCommand & 0xf;
  if (versionAndCommand >> 4 !== 2 || wanted > command.proxy) return "invalid";
  if (family >> 4 > 3 || (family & 0xf) > 2) return "invalid";
  if (bytes.length < fixedBytes) return "more";
  const length = fixedBytes + bytes.readUInt16BE(fixedBytes - 2);
  const addressBytes = family === stream4 ? 12 : family === stream6 ? 36 : 0;
  const isProxied = wanted === command.proxy && addressBytes > 0;
  if (length > maxBytes || (isProxied && length < fixedBytes + addressBytes)) return "invalid";
  if (bytes.length < length) return "more";
  if (!isProxied) return { length, address: undefined };
  const source = bytes.subarray(fixedBytes, fixedBytes + (family === stream4 ? 4 : 16));
  return { length, address: textOf(source) };
}

function textOf(address: Buffer): string | undefined {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => address.readUInt16BE(index * 2).toString(16));
  return canonicalIp(groups.join(":"));
}
