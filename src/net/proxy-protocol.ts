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

export const proxyVersions = ["v1", "v2"] as const;
export type ProxyVersion = (typeof proxyVersions)[number];

/** An IP address and a port; 0 where the port is not known. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** The header of a client's connection: where it came from and where it went. */
export function writeProxyHeader(version: ProxyVersion, source: Endpoint, destination: Endpoint): Buffer {
  const isIpv4 = isIPv4(source.address);
  if (!isIpv4 && !isIPv6(source.address)) return ownProxyHeader(version);
  const isSame = isIpv4 ? isIPv4(destination.address) : isIPv6(destination.address);
  const target = isSame ? destination.address : isIpv4 ? "0.0.0.0" : "::";
  if (version === "v1") {
    const family = isIpv4 ? "TCP4" : "TCP6";
    return Buffer.from(`PROXY ${family} ${source.address} ${target} ${source.port} ${destination.port}\r\n`);
  }
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(source.port, 0);
  ports.writeUInt16BE(destination.port, 2);
  const rest = Buffer.concat([bytesOf(source.address), bytesOf(target), ports]);
  return Buffer.concat([fixedPart(command.proxy, isIpv4 ? stream4 : stream6, rest.length), rest]);
}

/** The header of a connection of the balancer itself, such as a probe's. */
export function ownProxyHeader(version: ProxyVersion): Buffer {
  return version === "v1" ? Buffer.from("PROXY UNKNOWN\r\n") : fixedPart(command.local, 0, 0);
}

function fixedPart(wanted: number, family: number, length: number): Buffer {
  return Buffer.concat([signature, Buffer.from([0x20 | wanted, family, length >> 8, length & 0xff])]);
}

/** @param address a valid IP address */
function bytesOf(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = (canonicalIp(address) ?? "::").split("::");
  const groupsOf = (text: string) => (text === "" ? [] : text.split(":").map((group) => parseInt(group, 16)));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = Array<number>(8 - before.length - after.length).fill(0);
  const bytes = Buffer.alloc(16);
  [...before, ...zeros, ...after].forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}
